import assert from "node:assert/strict";
import { after, test } from "node:test";

import { Code } from "@connectrpc/connect";
import {
  ClosedError,
  InvalidArgumentError,
  ReadOnlyError,
  UnavailableError,
  connect,
} from "kvgate";

import { failure, startFake } from "./fake.js";
import { startServer, until } from "./server.js";

const server = await startServer();
const client = connect(server.url);

after(async () => {
  await client.close();
  await server.stop();
});

test("a bulk load makes no more than a few batches ahead", async () => {
  let made = 0;
  let stored = 0;
  let aheadMax = 0;
  function* entries(): Generator<[string, { n: number }]> {
    while (made < 30_000) {
      made += 1;
      aheadMax = Math.max(aheadMax, made - stored);
      yield [`key-${made}`, { n: made }];
    }
  }
  const numbers = client.collection<{ n: number }>("ahead");
  const count = await numbers.streamPutMany(entries(), { onStored: (n) => (stored = n) });
  assert.equal(count, 30_000);
  assert.equal(stored, 30_000);
  // four without an answer, one that waits, and the entry that shows that it is full
  assert(aheadMax <= 5_001, String(aheadMax));
});

test("batches are bounded by bytes too", async () => {
  const large = { text: "x".repeat(700_000) };
  const sizes: number[] = [];
  let before = 0;
  const onStored = (count: number): void => {
    sizes.push(count - before);
    before = count;
  };
  const entries = ["a", "b", "c"].map((key) => [key, large] as const);
  await client.collection("large").streamPutMany(entries, { onStored });
  assert.deepEqual(sizes, [1, 1, 1]);
});

test("the longest keys fit in a message", async () => {
  const keys = Array.from({ length: 3_000 }, (_, n) => "漢".repeat(1_360) + String(n));
  const long = client.collection("long-keys");
  assert.equal(await long.streamPutMany(keys.map((key) => [key, {}] as const)), 3_000);
  let found = 0;
  for await (const { value } of long.streamGetMany(keys)) found += value ? 1 : 0;
  assert.equal(found, 3_000);
});

test("entries of an asynchronous source, with a ttl each or for all", async () => {
  async function* source() {
    await Promise.resolve();
    yield { key: "own", value: { n: 1 }, ttl: 10 };
    yield { key: "shared", text: '{"n": 2}' };
    yield { key: "ever", value: {}, ttl: Infinity };
    yield ["pair", {}] as const;
  }
  const timed = client.collection("timed");
  assert.equal(await timed.streamPutMany(source(), { ttl: 100 }), 4);
  const [own, shared, ever, pair] = await timed.ttlMany(["own", "shared", "ever", "pair"]);
  assert(own?.ttl !== undefined && own.ttl <= 10);
  assert(shared?.ttl !== undefined && shared.ttl > 10 && shared.ttl <= 100);
  assert.equal(shared.text, '{"n": 2}');
  assert.equal(ever?.ttl, Infinity);
  assert(pair?.ttl !== undefined && pair.ttl > 10 && pair.ttl <= 100);
  await timed.putMany([{ key: "ever", value: {}, ttl: Infinity }, ["pair", {}]], { ttl: 100 });
  const again = await timed.ttlMany(["ever", "pair"]);
  assert.equal(again[0]?.ttl, Infinity);
  assert(again[1]?.ttl !== undefined && again[1].ttl <= 100);
});

test("a load that the server refuses ends its source", async () => {
  let open = true;
  async function* endless() {
    try {
      for (let n = 0; ; n += 1) {
        await Promise.resolve();
        yield [`key-${n}`, { n }] as const;
      }
    } finally {
      open = false;
    }
  }
  const load = client.store("sealed").collection("load").streamPutMany(endless());
  await assert.rejects(load, (error) => {
    assert(error instanceof ReadOnlyError);
    assert.equal(error.putMany?.acknowledged, 0);
    assert(!error.putMany.uncertain);
    return true;
  });
  await until("the source is closed", () => !open);
});

test("a source that breaks ends the load with its own error", async () => {
  async function* breaking() {
    await Promise.resolve();
    yield ["a", { n: 1 }] as const;
    throw new RangeError("the file is damaged");
  }
  const load = client.collection("breaking").streamPutMany(breaking());
  await assert.rejects(load, new RangeError("the file is damaged"));
});

test("an entry that can't be written is named", async () => {
  const entries = [["a", {}] as const, ["b", { n: NaN }] as const];
  const load = client.collection("unwritten").streamPutMany(entries);
  await assert.rejects(load, (error) => {
    assert(error instanceof InvalidArgumentError);
    assert.equal(error.field, "entries[1].value");
    assert.equal(error.putMany?.acknowledged, 0);
    return true;
  });
});

test("a load that breaks half-way says what is stored", async () => {
  const fake = await startFake({
    async *streamPutMany(requests) {
      let batches = 0;
      for await (const { entries } of requests) {
        batches += 1;
        if (batches === 3) throw failure(Code.Unavailable, "STORE_UNAVAILABLE", 1);
        yield { stored: BigInt(entries.length) };
      }
    },
  });
  const client = connect(fake.url);
  const entries = Array.from({ length: 5_000 }, (_, n) => [String(n), { n }] as const);
  await assert.rejects(client.collection().streamPutMany(entries), (error) => {
    assert(error instanceof UnavailableError);
    assert.equal(error.putMany?.acknowledged, 2_000);
    return true;
  });
  await client.close({ graceMs: 0 });
  await fake.stop();
});

test("a load that close() ends says what is stored", async () => {
  const closing = connect(server.url);
  async function* endless() {
    for (let n = 0; ; n += 1) {
      await new Promise(setImmediate);
      yield [String(n), { n }] as const;
    }
  }
  let stored = 0;
  const onStored = (count: number): void => {
    if (stored === 0) void closing.close({ graceMs: 0 });
    stored = count;
  };
  const load = closing.collection("closing").streamPutMany(endless(), { onStored });
  await assert.rejects(load, (error) => {
    assert(error instanceof ClosedError);
    assert.equal(error.putMany?.acknowledged, stored);
    assert(error.putMany.uncertain);
    return true;
  });
});

test("leaving a loop ends the call at the server", async () => {
  const ended: string[] = [];
  const value = new TextEncoder().encode("{}");
  const fake = await startFake({
    async *scanEntries(_request, { signal }) {
      signal.addEventListener("abort", () => ended.push("scan"));
      for (let n = 0; !signal.aborted; n += 1) {
        yield { entries: [{ key: String(n), value }] };
        await new Promise(setImmediate);
      }
    },
    async *streamGetMany(_request, { signal }) {
      signal.addEventListener("abort", () => ended.push("get"));
      yield { results: [{ key: "a" }] };
      await new Promise((resolve) => {
        signal.addEventListener("abort", resolve);
      });
    },
  });
  const client = connect(fake.url);
  for await (const { key } of client.collection().scan()) if (key === "3") break;
  for await (const { value } of client.collection().streamGetMany(["a", "b"])) {
    assert.equal(value, undefined);
    break;
  }
  await until("the server sees both ends", () => ended.length === 2);
  assert.deepEqual(ended, ["scan", "get"]);
  // which it would wait for if a call were left
  const begun = performance.now();
  await client.close();
  assert(performance.now() - begun < 5_000);
  await fake.stop();
});

test("a signal ends a stream", async () => {
  const controller = new AbortController();
  const many = client.collection("many");
  const keys = Array.from({ length: 20_000 }, (_, n) => String(n));
  let seen = 0;
  await assert.rejects(
    async () => {
      for await (const _ of many.streamGetMany(keys, { signal: controller.signal })) {
        seen += 1;
        if (seen === 100) controller.abort(new Error("enough"));
      }
    },
    { message: "enough" },
  );
  assert(seen < 20_000);
});

test("a deadline ends a stream that has one", async () => {
  const fake = await startFake({
    async *scanEntries(_request, { signal }) {
      await new Promise((resolve) => {
        signal.addEventListener("abort", resolve);
      });
      yield {};
    },
  });
  const client = connect(fake.url);
  await assert.rejects(
    async () => {
      for await (const _ of client.collection().scan({ timeoutMs: 100 })) assert.fail();
    },
    { code: "DEADLINE_EXCEEDED" },
  );
  await client.close({ graceMs: 0 });
  await fake.stop();
});
