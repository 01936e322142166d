import assert from "node:assert/strict";
import { after, test } from "node:test";

import { UnsafeIntegerError, connect } from "kvgate";

import { startServer } from "./server.js";

const server = await startServer();
const client = connect(server.url);
const exact = connect(server.url, { unsafeIntegers: "bigint" });
const values = client.collection("values");

after(async () => {
  await client.close();
  await exact.close();
  await server.stop();
});

test("an integer that no number holds is not damaged", async () => {
  await values.putText("large", '{"n": 9007199254740993, "m": [1, -9007199254740993]}');
  await assert.rejects(values.get("large"), UnsafeIntegerError);
  assert.equal(
    await values.getText("large"),
    '{"n": 9007199254740993, "m": [1, -9007199254740993]}',
  );
  assert.deepEqual(await exact.collection("values").get("large"), {
    n: 9007199254740993n,
    m: [1, -9007199254740993n],
  });
});

test("integers that a number holds are numbers, however long", async () => {
  const text = '{"a": 9007199254740992, "b": 1e21, "c": 100000000000000000000, "d": 0.1}';
  await values.putText("held", text);
  assert.deepEqual(await values.get("held"), { a: 2 ** 53, b: 1e21, c: 1e20, d: 0.1 });
});

test("digits in strings are no numbers", async () => {
  const value = { 'a"9007199254740993': '\\"9007199254740993\\', n: 1, "\\": "1e999" };
  await values.put("digits", value);
  assert.deepEqual(await values.get("digits"), value);
  assert.deepEqual(await exact.collection("values").get("digits"), value);
});

test("a number too large for JavaScript is an error, also with bigint", async () => {
  await values.putText("infinite", '{"n": 1e999}');
  await assert.rejects(values.get("infinite"), UnsafeIntegerError);
  await assert.rejects(exact.collection("values").get("infinite"), UnsafeIntegerError);
});

test("a bigint is written with all its digits", async () => {
  await values.put("bigint", { n: 12345678901234567890n, list: [1n], text: "1n" });
  assert.equal(await values.getText("bigint"), '{"n":12345678901234567890,"list":[1],"text":"1n"}');
});

test("what JSON can't say is refused before it is sent", async () => {
  const circular: Record<string, unknown> = {};
  circular["self"] = circular;
  await assert.rejects(values.put("key", { n: NaN }), { reason: "INVALID_VALUE", field: "value" });
  await assert.rejects(values.put("key", { n: [-Infinity] }), { reason: "INVALID_VALUE" });
  await assert.rejects(values.put("key", { n: [NaN, 1n] }), { reason: "INVALID_VALUE" });
  await assert.rejects(values.put("key", circular), TypeError);
  const loose = client.collection<object>("values");
  const nothing = loose.put("key", () => 1);
  await assert.rejects(nothing, { reason: "INVALID_VALUE" });
  await assert.rejects(loose.put("key", [1]), { reason: "INVALID_VALUE" });
});

test("half a character is refused, as two names could meet", async () => {
  await assert.rejects(values.get("\ud800"), { reason: "INVALID_KEY", field: "key" });
  await assert.rejects(values.getMany(["a", "\udc00"]), { field: "keys[1]" });
  assert.throws(() => client.collection("\ud800"), { reason: "INVALID_COLLECTION" });
  await assert.rejects(values.putText("key", '{"a":"\ud800"}'), { reason: "INVALID_VALUE" });
  await values.put("🔑", { "🎉": "🎉" });
  assert.deepEqual(await values.get("🔑"), { "🎉": "🎉" });
});

test("what JSON itself escapes comes back", async () => {
  await values.put("escaped", { half: "\ud800" });
  assert.deepEqual(await values.get("escaped"), { half: "\ud800" });
});

test("an entry says its times and its bytes", async () => {
  const before = Date.now();
  await values.put("timed", { n: 1 }, { ttl: 60 });
  const entry = await values.getEntry("timed");
  assert(entry?.createdAt && entry.expiresAt);
  assert(Math.abs(entry.createdAt.getTime() - before) < 30_000);
  assert.equal(entry.expiresAt.getTime() - entry.createdAt.getTime(), 60_000);
  assert.equal(new TextDecoder().decode(entry.bytes), '{"n":1}');
  assert.equal(entry.value, entry.value);
});

test("bytes are stored letter for letter", async () => {
  await values.putText("bytes", new TextEncoder().encode('{"é": 1.0}'));
  assert.equal(await values.getText("bytes"), '{"é": 1.0}');
});

test("a ttl of any length", async () => {
  await values.put("ever", {}, { ttl: Infinity });
  assert.equal((await values.ttl("ever")).ttl, Infinity);
  await assert.rejects(values.put("key", {}, { ttl: NaN }), { reason: "INVALID_TTL" });
  await assert.rejects(values.put("key", {}, { ttl: 1e300 }), { reason: "INVALID_TTL" });
  await assert.rejects(values.put("key", {}, { ttl: 1e12 }), { reason: "INVALID_TTL" });
  await assert.rejects(values.put("key", {}, { ttl: -0.5 }), { reason: "INVALID_TTL" });
  await values.put("carry", {}, { ttl: 9.9999999999 });
  const { ttl } = await values.ttl("carry");
  assert(ttl !== undefined && ttl > 9 && ttl <= 10);
});

test("a Map is many entries", async () => {
  const many = new Map([
    ["a", { n: 1 }],
    ["b", { n: 2 }],
  ]);
  const numbers = client.collection<{ n: number }>("map");
  await numbers.putMany(many);
  const found = await numbers.getMany(many.keys());
  assert.deepEqual(
    found.map(({ value }) => value),
    [...many.values()],
  );
});

test("stores are described", async () => {
  const stores = await client.listStores();
  assert.deepEqual(
    stores.map(({ name, isDefault }) => [name, isDefault]),
    [
      ["main", true],
      ["sealed", false],
    ],
  );
  const main = await client.store("main").describe();
  assert.equal(main.stability, "not_applicable");
  assert(main.capabilities.listKeys && main.capabilities.exactValues && !main.capabilities.shared);
  assert.equal(typeof main.limits.keyBytesMax, "number");
  await client.store("main").destroy();
  for await (const name of client.store("main").listCollections()) assert.fail(name);
});
