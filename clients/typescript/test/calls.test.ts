import assert from "node:assert/strict";
import { createServer } from "node:net";
import { afterEach, test } from "node:test";

import { Code, type ServiceImpl } from "@connectrpc/connect";
import {
  type Client,
  ClosedError,
  DeadlineExceededError,
  InvalidArgumentError,
  KvgateError,
  type NodeOptions,
  ResourceExhaustedError,
  UnavailableError,
  connect,
} from "kvgate";
import { type KeyValueService, PutManyFailureSchema } from "kvgate/proto";

import { failure, startFake } from "./fake.js";
import { startServer, until } from "./server.js";

const atEnd: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const end of atEnd.splice(0).reverse()) await end();
});

async function clientOf(
  calls: Partial<ServiceImpl<typeof KeyValueService>>,
  options: NodeOptions = {},
): Promise<Client> {
  const fake = await startFake(calls);
  const client = connect(fake.url, options);
  atEnd.push(fake.stop, () => client.close({ graceMs: 0 }));
  return client;
}

// Fails so often, then answers that there is no entry.
function failing(
  times: number,
  code: Code,
  reason: string,
  retryAfterMs?: number,
): { seen: { calls: number }; get: () => object } {
  const seen = { calls: 0 };
  const get = () => {
    seen.calls += 1;
    if (seen.calls <= times) throw failure(code, reason, retryAfterMs);
    return {};
  };
  return { seen, get };
}

test("what is unavailable is tried again", async () => {
  const { seen, get } = failing(3, Code.Unavailable, "STORE_UNAVAILABLE", 1);
  const client = await clientOf({ get });
  assert.equal(await client.collection().get("key"), undefined);
  assert.equal(seen.calls, 4);
});

test("it is tried so often and not more", async () => {
  const { seen, get } = failing(100, Code.Unavailable, "STORE_UNAVAILABLE", 1);
  const client = await clientOf({ get }, { attemptsMax: 2 });
  await assert.rejects(client.collection().get("key"), (error) => {
    assert(error instanceof UnavailableError);
    assert.equal(error.reason, "STORE_UNAVAILABLE");
    assert.deepEqual(error.metadata, { store: "main" });
    assert.equal(error.retryAfterMs, 1);
    assert(error.fromServer);
    return true;
  });
  assert.equal(seen.calls, 2);
});

test("the server's wish when to come back is heard", async () => {
  const { get } = failing(1, Code.Unavailable, "STORE_UNAVAILABLE", 300);
  const client = await clientOf({ get });
  const begun = performance.now();
  await client.collection().get("key");
  assert(performance.now() - begun >= 300);
});

test("no more tries than the deadline leaves time for", async () => {
  const { seen, get } = failing(1, Code.Unavailable, "STORE_UNAVAILABLE", 900);
  const client = await clientOf({ get });
  await assert.rejects(client.collection().get("key", { timeoutMs: 800 }), UnavailableError);
  assert.equal(seen.calls, 1);
});

test("what is exhausted is tried again only if the server says when", async () => {
  const soon = failing(1, Code.ResourceExhausted, "TOO_MANY_CALLS", 1);
  await (await clientOf({ get: soon.get })).collection().get("key");
  assert.equal(soon.seen.calls, 2);
  const never = failing(1, Code.ResourceExhausted, "STORE_FULL");
  const client = await clientOf({ get: never.get });
  await assert.rejects(client.collection().get("key"), ResourceExhaustedError);
  assert.equal(never.seen.calls, 1);
});

test("a bad request is not tried again", async () => {
  const { seen, get } = failing(1, Code.InvalidArgument, "INVALID_KEY");
  const client = await clientOf({ get });
  await assert.rejects(client.collection().get("key"), InvalidArgumentError);
  assert.equal(seen.calls, 1);
});

test("a stream is tried again until its first answer", async () => {
  let calls = 0;
  const client = await clientOf({
    async *scanEntries() {
      calls += 1;
      if (calls === 1) throw failure(Code.Unavailable, "STORE_UNAVAILABLE", 1);
      yield { entries: [{ key: "a", value: new TextEncoder().encode("{}") }] };
      await Promise.resolve();
      throw failure(Code.Unavailable, "STORE_UNAVAILABLE", 1);
    },
  });
  const seen: string[] = [];
  await assert.rejects(async () => {
    for await (const { key } of client.collection().scan()) seen.push(key);
  }, UnavailableError);
  assert.deepEqual(seen, ["a"]);
  assert.equal(calls, 2);
});

test("a deadline ends the call here and at the server", async () => {
  let remaining: number | undefined;
  let ended = false;
  const client = await clientOf({
    get: async (_request, { signal, timeoutMs }) => {
      remaining = timeoutMs();
      await new Promise((resolve) => {
        signal.addEventListener("abort", resolve);
      });
      ended = true;
      return {};
    },
  });
  await assert.rejects(client.collection().get("key", { timeoutMs: 200 }), (error) => {
    assert(error instanceof DeadlineExceededError);
    assert.equal(error.reason, "DEADLINE_EXCEEDED");
    return true;
  });
  assert(remaining !== undefined && remaining <= 200);
  await until("the server sees the end", () => ended);
});

test("ten seconds are the deadline if nothing is said, none for streams", async () => {
  const seen: (number | undefined)[] = [];
  const client = await clientOf({
    get: (_request, { timeoutMs }) => {
      seen.push(timeoutMs());
      return {};
    },
    // eslint-disable-next-line @typescript-eslint/require-await -- a stream of nothing
    async *scanEntries(_request, { timeoutMs }) {
      seen.push(timeoutMs());
      yield* [];
    },
  });
  await client.collection().get("key");
  for await (const _ of client.collection().scan()) assert.fail();
  const [unary, stream] = seen;
  assert(unary !== undefined && unary > 9_000 && unary <= 10_000);
  assert.equal(stream, undefined);
});

test("a signal ends the call, with the signal's reason", async () => {
  let ended = false;
  const client = await clientOf({
    get: async (_request, { signal }) => {
      await new Promise((resolve) => {
        signal.addEventListener("abort", resolve);
      });
      ended = true;
      return {};
    },
  });
  const controller = new AbortController();
  const call = client.collection().get("key", { signal: controller.signal });
  setTimeout(() => {
    controller.abort(new Error("the user left"));
  }, 50);
  await assert.rejects(call, { message: "the user left" });
  await until("the server sees the end", () => ended);
  const late = client.collection().get("key", { signal: controller.signal });
  await assert.rejects(late, { message: "the user left" });
});

test("what a failed putMany stored is said", async () => {
  const client = await clientOf(
    {
      putMany: () => {
        const details = {
          desc: PutManyFailureSchema,
          value: {
            storedBitmap: Uint8Array.of(0b101),
            storedCount: 2n,
            uncertain: true,
            firstFailures: [{ index: 1, key: "b", error: { code: 14, message: "gone" } }],
          },
        };
        throw failure(Code.Unavailable, "STORE_UNAVAILABLE", undefined, [details]);
      },
    },
    { attemptsMax: 1 },
  );
  const put = client.collection().putMany(["a", "b", "c"].map((key) => [key, {}] as const));
  await assert.rejects(put, (error) => {
    assert(error instanceof UnavailableError);
    assert.equal(error.putMany?.acknowledged, 0);
    assert.deepEqual(error.putMany.stored, [0, 2]);
    assert(error.putMany.uncertain);
    const [failed] = error.putMany.firstFailures;
    assert.equal(failed?.index, 1);
    assert.equal(failed.key, "b");
    assert(failed.error instanceof UnavailableError);
    return true;
  });
});

test("one unreadable key does not hide the others", async () => {
  const value = new TextEncoder().encode('{"n":1}');
  const client = await clientOf({
    getMany: () => ({
      results: [
        { key: "a", outcome: { case: "entry", value: { key: "a", value } } },
        { key: "b", outcome: { case: "error", value: { code: 15, message: "not an entry" } } },
        { key: "c" },
      ],
    }),
  });
  const [a, b, c] = await client.collection<{ n: number }>().getMany(["a", "b", "c"]);
  assert.deepEqual(a?.value, { n: 1 });
  assert.equal(b?.error?.name, "DataLossError");
  assert.throws(() => b.value, { code: "DATA_LOSS" });
  assert.throws(() => b.text, { code: "DATA_LOSS" });
  assert.equal(c?.value, undefined);
});

test("a server that can't be reached is unavailable", async () => {
  const unused = createServer();
  await new Promise<void>((resolve) => unused.listen(0, "127.0.0.1", resolve));
  const { port } = unused.address() as { port: number };
  await new Promise((resolve) => unused.close(resolve));
  const client = connect(`http://127.0.0.1:${port}`);
  await assert.rejects(client.collection().get("key"), (error) => {
    assert(error instanceof UnavailableError);
    assert(!error.fromServer);
    assert.match(error.message, /ECONNREFUSED/);
    return true;
  });
  await client.close();
});

test("a host that does not answer is unavailable, after connectTimeoutMs", async () => {
  // It takes the connection, and never says a word of TLS.
  const mute = createServer();
  await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
  const { port } = mute.address() as { port: number };
  const options = { connectTimeoutMs: 50, attemptsMax: 1 };
  const client = connect(`https://127.0.0.1:${port}`, options);
  await assert.rejects(client.collection().get("key"), (error) => {
    assert(error instanceof UnavailableError);
    assert.match(error.message, /no connection within 50 ms/);
    return true;
  });
  await client.close();
  mute.close();
});

test("a server that is restarted is found again", async () => {
  const first = await startServer();
  const client = connect(first.url);
  await client.collection().put("key", {});
  await first.stop();
  await assert.rejects(client.collection().get("key"), UnavailableError);
  const second = await startServer({ KVGATE_SERVER__LISTEN: first.place });
  assert.equal(await client.collection().get("key"), undefined);
  await second.stop("SIGKILL");
  const third = await startServer({ KVGATE_SERVER__LISTEN: first.place });
  assert.equal(await client.collection().get("key"), undefined);
  await client.close();
  await third.stop();
});

test("a server that is frozen is given up, and found again", async () => {
  const server = await startServer();
  const pings = { pingIntervalMs: 100, pingTimeoutMs: 100 };
  // Time enough for a second call on the connection that the first one found frozen.
  const impatient = connect(server.url, { ...pings, pingTimeoutMs: 1000, attemptsMax: 1 });
  const patient = connect(server.url, pings);
  await impatient.collection().put("key", { n: 1 });
  await patient.collection().put("key", { n: 1 });
  server.freeze();
  const late = impatient.collection().get("key", { timeoutMs: 50 });
  await assert.rejects(late, DeadlineExceededError);
  await assert.rejects(impatient.collection().get("key"), { message: /PING timed out/ });
  // at once, while the connection that was given up still has its error to tell
  await impatient.close();
  const stuck = patient.collection().get("key");
  setTimeout(() => {
    server.thaw();
  }, 250);
  assert.deepEqual(await stuck, { n: 1 });
  await patient.close();
  await server.stop();
});

test("close lets calls end, and refuses others", async () => {
  const client = await clientOf({
    get: () => new Promise((resolve) => setTimeout(resolve, 200, {})),
  });
  const underWay = client.collection().get("key");
  const closed = client.close();
  assert.equal(await underWay, undefined);
  await closed;
  await assert.rejects(client.collection().get("key"), ClosedError);
  await client.close();
});

test("close ends what does not end by itself", async () => {
  const client = await clientOf({ get: () => new Promise(() => undefined) });
  const stuck = client.collection().get("key");
  const refused = assert.rejects(stuck, ClosedError);
  await client.close({ graceMs: 50 });
  await refused;
});

test("a client is disposed of", async () => {
  const client = await clientOf({ get: () => ({}) });
  await client[Symbol.asyncDispose]();
  await assert.rejects(client.collection().get("key"), ClosedError);
});

test("interceptors and headers reach the call", async () => {
  const seen: (string | null)[] = [];
  const client = await clientOf(
    {
      get: (_request, { requestHeader }) => {
        seen.push(requestHeader.get("x-one"), requestHeader.get("x-two"));
        return {};
      },
    },
    {
      interceptors: [
        (next) => (request) => {
          request.header.set("x-two", "2");
          return next(request);
        },
      ],
    },
  );
  await client.collection().get("key", { headers: { "x-one": "1" } });
  assert.deepEqual(seen, ["1", "2"]);
});

test("every error is a KvgateError that says its class", () => {
  const error = new DeadlineExceededError("late", { code: "DEADLINE_EXCEEDED" });
  assert(error instanceof KvgateError && error instanceof Error);
  assert.equal(String(error), "DeadlineExceededError: late");
});
