import {
  readDeleteResult,
  readEntry,
  readGetResult,
  readScanResults,
  readTtlResult,
} from "./answers.js";
import { BATCH_KEYS_MAX, bytesMaxOf, inBatches } from "./batches.js";
import { putStream } from "./bulk.js";
import type { Calls } from "./calls.js";
import type { DeleteResult, Entry, GetResult, ScanResult, TtlResult } from "./entry.js";
import { KvgateError } from "./errors.js";
import { KeyValueService } from "./gen/keyvalue/v1/key_value_service_pb.js";
import type { JsonObject } from "./json.js";
import type {
  CallOptions,
  ListOptions,
  PutOptions,
  ScanOptions,
  StreamPutOptions,
} from "./options.js";
import { pages } from "./pages.js";
import { type NewEntry, toDuration, toPutEntry, toRawValue, toValue } from "./requests.js";
import { withPutMany } from "./status.js";
import { checkText } from "./text.js";

const { method } = KeyValueService;

/**
 * A collection of a store: entries found by their keys. It need not be created.
 *
 * ```ts
 * const users = client.collection<User>("users");
 * await users.put("ada", { name: "Ada" }, { ttl: 3600 });
 * const ada = await users.get("ada"); // User, or undefined
 * ```
 *
 * `T` is what the values are taken for; it is not checked.
 */
export class Collection<T extends object = JsonObject> {
  /** The collection's name; empty: the store's default collection. */
  readonly name: string;

  readonly #calls: Calls;
  readonly #address: { store: string; collection: string };

  /** @internal */
  constructor(calls: Calls, store: string, name: string) {
    this.name = name;
    this.#calls = calls;
    this.#address = { store, collection: checkText("collection", name) };
  }

  /** The value of a key, `undefined` if there is none. */
  async get(key: string, options?: CallOptions): Promise<T | undefined> {
    return (await this.getEntry(key, options))?.value;
  }

  /** The value's JSON, letter for letter as it was put; `undefined` if there is none. */
  async getText(key: string, options?: CallOptions): Promise<string | undefined> {
    return (await this.getEntry(key, options))?.text;
  }

  /** The entry of a key, with its times and its JSON; `undefined` if there is none. */
  async getEntry(key: string, options?: CallOptions): Promise<Entry<T> | undefined> {
    const { entry } = await this.#calls.unary(method.get, this.#at(key), options);
    return entry && readEntry<T>(entry, this.#calls.unsafeIntegers);
  }

  /** The entry of a key together with the time it has left. */
  async ttl(key: string, options?: CallOptions): Promise<TtlResult<T>> {
    const { entry, ttl } = await this.#calls.unary(method.ttl, this.#at(key), options);
    const result = { key, ...(entry && { entry }), ...(ttl && { ttl }) };
    return readTtlResult<T>(result, this.#calls.unsafeIntegers);
  }

  /** Stores a value and replaces what was there, its ttl included. */
  async put(key: string, value: T, options: PutOptions = {}): Promise<void> {
    await this.#put(key, toValue(value), options);
  }

  /** Stores a value that is JSON already, as text or UTF-8 bytes, letter for letter. */
  async putText(key: string, text: string | Uint8Array, options: PutOptions = {}): Promise<void> {
    await this.#put(key, toRawValue(text), options);
  }

  /**
   * Removes an entry. Returns whether there was one; if the call had to be tried again, `false`
   * may mean that an earlier try removed it.
   */
  async delete(key: string, options?: CallOptions): Promise<boolean> {
    return (await this.#calls.unary(method.delete, this.#at(key), options)).deleted;
  }

  /** What is found under many keys, in their order. For very many, see {@link streamGetMany}. */
  async getMany(keys: Iterable<string>, options?: CallOptions): Promise<GetResult<T>[]> {
    const { results } = await this.#calls.unary(method.getMany, this.#atMany(keys), options);
    return results.map((result) => readGetResult<T>(result, this.#calls.unsafeIntegers));
  }

  /** What is found under many keys, and the time it has left, in their order. */
  async ttlMany(keys: Iterable<string>, options?: CallOptions): Promise<TtlResult<T>[]> {
    const { results } = await this.#calls.unary(method.ttlMany, this.#atMany(keys), options);
    return results.map((result) => readTtlResult<T>(result, this.#calls.unsafeIntegers));
  }

  /**
   * Stores many entries: pairs such as a `Map` has, or objects with a ttl of their own.
   *
   * ```ts
   * await users.putMany([["ada", ada], { key: "guest", value: guest, ttl: 60 }]);
   * ```
   *
   * If it fails, the error's `putMany` says what is stored all the same.
   */
  async putMany(entries: Iterable<NewEntry<T>>, options: PutOptions = {}): Promise<void> {
    const ttl = toDuration(options.ttl);
    const request = {
      ...this.#address,
      entries: Array.from(entries, (entry, at) => toPutEntry(entry, at, ttl)),
    };
    try {
      await this.#calls.unary(method.putMany, request, options);
    } catch (error) {
      throw error instanceof KvgateError ? withPutMany(error, 0) : error;
    }
  }

  /** Removes many entries, and says of each key, in their order, whether there was one. */
  async deleteMany(keys: Iterable<string>, options?: CallOptions): Promise<DeleteResult[]> {
    const { results } = await this.#calls.unary(method.deleteMany, this.#atMany(keys), options);
    return results.map(readDeleteResult);
  }

  /**
   * What is found under any number of keys, in their order, as it comes.
   *
   * ```ts
   * for await (const { key, value } of users.streamGetMany(keys)) console.log(key, value);
   * ```
   *
   * The keys are sent in requests of up to 10,000. Leaving the loop ends the call.
   */
  async *streamGetMany(
    keys: Iterable<string> | AsyncIterable<string>,
    options?: CallOptions,
  ): AsyncGenerator<GetResult<T>, void, undefined> {
    for await (const some of inBatches(keys, BATCH_KEYS_MAX, bytesMaxOf)) {
      const request = this.#atMany(some);
      for await (const { results } of this.#calls.serverStream(
        method.streamGetMany,
        request,
        options,
      )) {
        for (const result of results) yield readGetResult<T>(result, this.#calls.unsafeIntegers);
      }
    }
  }

  /**
   * Stores any number of entries in batches, each while the next ones are made. Returns how many
   * were stored.
   *
   * ```ts
   * await users.streamPutMany(readUsers(), { onStored: (count) => console.log(count) });
   * ```
   *
   * It is not tried again. If it fails, the error's `putMany` says how many entries, counted from
   * the first, are stored: go on from there.
   */
  streamPutMany(
    entries: Iterable<NewEntry<T>> | AsyncIterable<NewEntry<T>>,
    options: StreamPutOptions = {},
  ): Promise<number> {
    return putStream(this.#calls, this.#address, entries, options);
  }

  /** The keys, in no promised order, a page at a time behind the scenes. */
  async *listKeys({ prefix = "", pageSize = 0, ...options }: ListOptions = {}): AsyncGenerator<
    string,
    void,
    undefined
  > {
    const request = { ...this.#address, prefix: checkText("prefix", prefix), pageSize };
    yield* pages(async (pageToken) => {
      const page = { ...request, pageToken };
      const { keys, nextPageToken } = await this.#calls.unary(method.listKeys, page, options);
      return { names: keys, nextPageToken };
    });
  }

  /**
   * All entries, in no promised order.
   *
   * ```ts
   * for await (const { key, value } of users.scan({ prefix: "a" })) console.log(key, value);
   * ```
   *
   * Leaving the loop ends the call.
   */
  async *scan({ prefix = "", ...options }: ScanOptions = {}): AsyncGenerator<
    ScanResult<T>,
    void,
    undefined
  > {
    const request = { ...this.#address, prefix: checkText("prefix", prefix) };
    for await (const part of this.#calls.serverStream(method.scanEntries, request, options)) {
      yield* readScanResults<T>(part, this.#calls.unsafeIntegers);
    }
  }

  async #put(key: string, value: Uint8Array, options: PutOptions): Promise<void> {
    const ttl = toDuration(options.ttl);
    await this.#calls.unary(method.put, { ...this.#at(key), value, ...(ttl && { ttl }) }, options);
  }

  #at(key: string): { store: string; collection: string; key: string } {
    return { ...this.#address, key: checkText("key", key) };
  }

  #atMany(keys: Iterable<string>): { store: string; collection: string; keys: string[] } {
    const checked = Array.from(keys, (key, at) => checkText("key", key, `keys[${at}]`));
    return { ...this.#address, keys: checked };
  }
}
