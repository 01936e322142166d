import assert from "node:assert/strict";
import dns from "node:dns/promises";
import { mock, test } from "node:test";

import { connect } from "kvgate";

import { type Fake, startFake } from "./fake.js";
import { type Server, startServer, until } from "./server.js";

// A fake that counts its calls.
async function counting(where?: { host: string; port: number }) {
  const seen = { calls: 0 };
  const get = () => {
    seen.calls += 1;
    return {};
  };
  return { fake: await startFake({ get }, where), seen };
}

// The names' addresses for as long as `use` runs.
async function resolving(
  addresses: () => string[],
  use: (asked: () => number) => Promise<void>,
): Promise<void> {
  const lookup = mock.method(dns, "lookup", () => {
    const found = addresses().map((address) => ({ address, family: 4 }));
    return found.length > 0 ? Promise.resolve(found) : Promise.reject(new Error("ENOTFOUND"));
  });
  try {
    await use(() => lookup.mock.callCount());
  } finally {
    lookup.mock.restore();
  }
}

async function stopAll(...fakes: { fake: Fake }[]): Promise<void> {
  for (const { fake } of fakes) await fake.stop();
}

test("several connections share the calls", async () => {
  const { fake } = await counting();
  const client = connect(fake.url, { connections: 3 });
  for (let n = 0; n < 9; n += 1) await client.collection().get("key");
  assert.equal(fake.connections(), 3);
  await client.close();
  await fake.stop();
  assert.throws(() => connect(fake.url, { connections: 0 }), { field: "connections" });
});

test("calls at the same time share one connection", async () => {
  const { fake } = await counting();
  const client = connect(fake.url);
  await Promise.all(Array.from({ length: 50 }, (_, n) => client.collection().get(String(n))));
  assert.equal(fake.connections(), 1);
  await client.close();
  await fake.stop();
});

test("all addresses of a name take turns, and one that is gone is passed over", async () => {
  const one = await counting();
  const { port } = one.fake;
  const two = await counting({ host: "127.0.0.2", port });
  await resolving(
    () => ["127.0.0.1", "127.0.0.2"],
    async () => {
      const client = connect(`dns:///replicas.test:${port}`);
      for (let n = 0; n < 10; n += 1) await client.collection().get("key");
      assert.deepEqual([one.seen.calls, two.seen.calls], [5, 5]);
      await two.fake.stop();
      for (let n = 0; n < 10; n += 1) await client.collection().get("key");
      assert.equal(one.seen.calls, 15);
      await client.close();
    },
  );
  await one.fake.stop();
});

test("a name's new addresses are found when an old one fails", async () => {
  const one = await counting();
  const { port } = one.fake;
  const two = await counting({ host: "127.0.0.2", port });
  let addresses = ["127.0.0.1"];
  await resolving(
    () => addresses,
    async () => {
      const client = connect(`dns:///replicas.test:${port}`);
      await client.collection().get("key");
      addresses = ["127.0.0.2"];
      await one.fake.stop();
      const deadline = Date.now() + 10_000;
      while (two.seen.calls === 0 && Date.now() < deadline) {
        await client
          .collection()
          .get("key")
          .catch(() => undefined);
      }
      assert(two.seen.calls > 0);
      // a name that can't be resolved for once leaves the addresses that are known
      addresses = [];
      await client.collection().get("key");
      await client.close();
    },
  );
  await stopAll(two);
});

test("servers that are restarted one after the other fail no call", async () => {
  const one = await startServer();
  const port = one.place.slice(one.place.lastIndexOf(":") + 1);
  const place = `127.0.0.2:${port}`;
  const two = await startServer({ KVGATE_SERVER__LISTEN: place });
  await resolving(
    () => ["127.0.0.1", "127.0.0.2"],
    async () => {
      const client = connect(`dns:///replicas.test:${port}`);
      let calls = 0;
      let stopped = false;
      const load = Array.from({ length: 10 }, async () => {
        for (; !stopped; calls += 1) await client.collection().put("key", {});
      });
      const ended = Promise.all(load);
      ended.catch(() => (stopped = true));
      const servers: Server[] = [];
      try {
        for (const [server, signal] of [
          [two, "SIGTERM"],
          [one, "SIGTERM"],
          [two, "SIGKILL"],
        ] as const) {
          const before = calls;
          await until("calls are made", () => stopped || calls > before + 50);
          const running = servers.find(({ place }) => place === server.place) ?? server;
          await running.stop(signal);
          await until("calls go on", () => stopped || calls > before + 100);
          servers.unshift(await startServer({ KVGATE_SERVER__LISTEN: server.place }));
        }
      } finally {
        stopped = true;
        await ended;
        await client.close();
        for (const server of servers) await server.stop();
      }
    },
  );
});

test("a name without addresses is unavailable", async () => {
  await resolving(
    () => [],
    async (asked) => {
      const client = connect("dns:///nowhere.test:50051", { attemptsMax: 2 });
      const call = client.collection().get("key");
      await assert.rejects(call, { code: "UNAVAILABLE", message: /no address of nowhere.test/ });
      assert(asked() >= 1);
      await client.close();
    },
  );
});

test("places that are none", () => {
  const places = ["", "localhost:50051", "ftp://host", "http://", "dns:///", "http://u:p@host"];
  for (const place of places) {
    assert.throws(() => connect(place), { reason: "INVALID_URL" }, place);
  }
  assert.throws(
    () => connect("http://user:secret@host"),
    (error: Error) => {
      assert.doesNotMatch(error.message, /secret/);
      return true;
    },
  );
  assert.throws(() => connect("http://host", { tls: {} }), { reason: "INVALID_URL" });
});
