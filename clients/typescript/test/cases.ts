/** Runs a case of clients/cases through the client's public calls, in Node.js or a browser. */
import type { Client, Collection, KvgateError, NewEntry } from "kvgate";

type Value = Record<string, unknown>;

interface Repeat {
  repeat: { count: number; key: string; value: Value };
}

/** One call, as clients/cases/README.md describes it. */
interface Step {
  call: string;
  store?: string;
  key?: string;
  value?: Value;
  text?: string;
  raw?: boolean;
  ttl?: number;
  keys?: string[] | Repeat;
  entries?: [string, Value][] | Repeat;
  prefix?: string;
  page_size?: number;
  expect?: unknown;
  error?: { code: string; reason: string; field?: string; metadata?: Record<string, string> };
}

export interface Case {
  name: string;
  steps: Step[];
}

/** Throws what does not hold. */
export async function runCase(client: Client, { name, steps }: Case): Promise<void> {
  for (const [at, step] of steps.entries()) {
    const place = `${name}, step ${at} (${step.call})`;
    if (step.error) {
      await expectError(place, step.error, () => call(client, name, step));
    } else {
      const got = await call(client, name, step);
      if ("expect" in step) expectEqual(place, got, expected(step, name));
    }
  }
}

async function call(client: Client, name: string, step: Step): Promise<unknown> {
  const store = client.store(step.store);
  const collection = store.collection<Value>(name);
  const key = step.key ?? "";
  const options = step.ttl === undefined ? {} : { ttl: step.ttl };
  const prefix = step.prefix?.replace("{collection}", name) ?? "";
  switch (step.call) {
    case "put":
      return step.text === undefined
        ? collection.put(key, step.value ?? {}, options)
        : collection.putText(key, step.text, options);
    case "get":
      return (await (step.raw ? collection.getText(key) : collection.get(key))) ?? null;
    case "delete":
      return collection.delete(key);
    case "ttl":
      return describeTtl((await collection.ttl(key)).ttl);
    case "ttl_many":
      return (await collection.ttlMany(keysOf(step))).map(({ ttl }) => describeTtl(ttl));
    case "get_many":
      return (await collection.getMany(keysOf(step))).map(({ value }) => value ?? null);
    case "stream_get_many":
      return streamGetMany(collection, keysOf(step));
    case "put_many":
      return collection.putMany(entriesOf(step), options);
    case "stream_put_many":
      return collection.streamPutMany(entriesOf(step), options);
    case "delete_many":
      return (await collection.deleteMany(keysOf(step))).filter(({ deleted }) => deleted).length;
    case "list_keys":
      return sorted(collection.listKeys({ prefix, pageSize: step.page_size ?? 0 }));
    case "list_collections":
      return sorted(store.listCollections({ prefix }));
    case "scan":
      return scan(collection, prefix);
    case "delete_collection":
      return store.deleteCollection(name);
    case "store_type":
      return (await store.describe()).type;
    case "cull":
      return store.cull();
    default:
      throw new Error(`no such call: ${step.call}`);
  }
}

async function streamGetMany(collection: Collection<Value>, keys: string[]): Promise<unknown[]> {
  const values = [];
  for await (const { value } of collection.streamGetMany(keys)) values.push(value ?? null);
  return values;
}

async function scan(collection: Collection<Value>, prefix: string): Promise<Value> {
  const found: Value = {};
  for await (const { key, value } of collection.scan({ prefix })) {
    if (key in found) throw new Error(`scanned twice: ${key}`);
    found[key] = value;
  }
  return found;
}

async function sorted(names: AsyncIterable<string>): Promise<string[]> {
  const all = [];
  for await (const name of names) all.push(name);
  return all.sort();
}

function describeTtl(ttl: number | undefined): unknown {
  if (ttl === undefined) return "missing";
  return ttl === Infinity ? "forever" : ttl;
}

function keysOf({ keys = [] }: Step): string[] {
  return Array.isArray(keys) ? keys : repeated(keys).map(([key]) => key);
}

function entriesOf({ entries = [] }: Step): Iterable<NewEntry<Value>> {
  return Array.isArray(entries) ? entries : repeated(entries);
}

function repeated({ repeat: { count, key, value } }: Repeat): [string, Value][] {
  return Array.from({ length: count }, (_, n) => [
    key.replace("{n}", String(n)),
    Object.fromEntries(Object.entries(value).map(([k, v]) => [k, v === "{n}" ? n : v])),
  ]);
}

// What `repeat` stands for depends on what the call gives.
function expected(step: Step, name: string): unknown {
  const { expect } = step;
  if (typeof expect === "object" && expect !== null && "repeat" in expect) {
    const entries = repeated(expect as Repeat);
    if (step.call === "scan") return Object.fromEntries(entries);
    if (step.call === "list_keys") return entries.map(([key]) => key).sort();
    return entries.map(([, value]) => value);
  }
  return JSON.parse(JSON.stringify(expect).replaceAll("{collection}", name));
}

function expectEqual(place: string, got: unknown, expect: unknown): void {
  if (typeof got === "number" && Array.isArray(expect)) {
    const [above, most] = expect as [number, number];
    if (got > above && got <= most) return;
  } else if (Array.isArray(got) && Array.isArray(expect) && got.length === expect.length) {
    for (const [at, element] of got.entries()) expectEqual(place, element, expect[at]);
    return;
  } else if (ordered(got) === ordered(expect)) {
    return;
  }
  throw new Error(`${place}: got ${ordered(got)}, expected ${ordered(expect)}`);
}

const CLASSES: Readonly<Record<string, string>> = {
  FAILED_PRECONDITION: "ReadOnlyError",
  INVALID_ARGUMENT: "InvalidArgumentError",
  NOT_FOUND: "StoreNotFoundError",
};

async function expectError(
  place: string,
  { code, reason, field, metadata = {} }: NonNullable<Step["error"]>,
  act: () => Promise<unknown>,
): Promise<void> {
  const error = await act().then(
    () => undefined,
    (error: unknown) => error as KvgateError,
  );
  if (error?.name === undefined) throw new Error(`${place}: it did not fail`);
  expectEqual(`${place}: class`, error.name, CLASSES[code]);
  expectEqual(`${place}: code`, error.code, code);
  expectEqual(`${place}: reason`, error.reason, reason);
  if (field !== undefined) expectEqual(`${place}: field`, error.field, field);
  for (const [fact, value] of Object.entries(metadata)) {
    expectEqual(`${place}: ${fact}`, error.metadata[fact], value);
  }
}

// JSON text that does not depend on the order of members.
function ordered(value: unknown): string {
  const text = JSON.stringify(value, (_member, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  ) as string | undefined;
  return text ?? "undefined";
}
