import type { KvgateError } from "./errors.js";
import { type JsonObject, type UnsafeIntegers, decodeJson } from "./json.js";
import { decodeText } from "./text.js";

/** A stored entry. */
export class Entry<T extends object = JsonObject> {
  /** The key. */
  readonly key: string;
  /** The value's JSON as UTF-8 bytes, letter for letter as it was put. */
  readonly bytes: Uint8Array;
  /** When the entry was put, by the server's clock. Absent if the store doesn't know. */
  readonly createdAt: Date | undefined;
  /** When the entry ends, by the server's clock. Absent if it never does. */
  readonly expiresAt: Date | undefined;

  readonly #unsafeIntegers: UnsafeIntegers;
  #value: T | undefined;

  /** @internal */
  constructor(
    stored: {
      key: string;
      bytes: Uint8Array;
      createdAt: Date | undefined;
      expiresAt: Date | undefined;
    },
    unsafeIntegers: UnsafeIntegers,
  ) {
    this.key = stored.key;
    this.bytes = stored.bytes;
    this.createdAt = stored.createdAt;
    this.expiresAt = stored.expiresAt;
    this.#unsafeIntegers = unsafeIntegers;
  }

  /** The value's JSON, letter for letter as it was put. */
  get text(): string {
    return decodeText(this.bytes);
  }

  /**
   * The value, read when it is first asked for.
   *
   * Throws an {@link UnsafeIntegerError} if it has an integer that no `number` holds and the
   * client doesn't take those as `bigint`.
   */
  get value(): T {
    this.#value ??= decodeJson(this.text, this.#unsafeIntegers) as T;
    return this.#value;
  }
}

/**
 * What was found under one key of many: an entry, nothing, or an entry that can't be read.
 *
 * ```ts
 * for (const { key, value } of await users.getMany(["ada", "grace"])) {
 *   console.log(key, value?.name ?? "unknown");
 * }
 * ```
 */
export class GetResult<T extends object = JsonObject> {
  /** The key that was asked for. */
  readonly key: string;
  /** The entry; absent if there is none or it can't be read. */
  readonly entry: Entry<T> | undefined;
  /** Why this key alone can't be read. */
  readonly error: KvgateError | undefined;

  /** @internal */
  constructor(key: string, entry: Entry<T> | undefined, error: KvgateError | undefined) {
    this.key = key;
    this.entry = entry;
    this.error = error;
  }

  /** The value, `undefined` if there is none. Throws `error`, so that it isn't taken for missing. */
  get value(): T | undefined {
    return this.#found()?.value;
  }

  /** The value's JSON, `undefined` if there is none. Throws `error` like `value`. */
  get text(): string | undefined {
    return this.#found()?.text;
  }

  #found(): Entry<T> | undefined {
    if (this.error) throw this.error;
    return this.entry;
  }
}

/** What was found under a key, with the time it has left. */
export class TtlResult<T extends object = JsonObject> extends GetResult<T> {
  readonly #ttl: number | undefined;

  /** @internal */
  constructor(
    key: string,
    entry: Entry<T> | undefined,
    error: KvgateError | undefined,
    ttl: number | undefined,
  ) {
    super(key, entry, error);
    this.#ttl = ttl;
  }

  /**
   * The seconds that the entry had left when the server answered: `Infinity` if it never ends,
   * `undefined` if there is none. Throws `error` like `value`.
   */
  get ttl(): number | undefined {
    if (this.error) throw this.error;
    return this.#ttl;
  }
}

/** An entry that a scan came by, or one that is there but can't be read. */
export class ScanResult<T extends object = JsonObject> {
  /** The key. */
  readonly key: string;
  readonly #outcome: Entry<T> | KvgateError;

  /** @internal */
  constructor(key: string, outcome: Entry<T> | KvgateError) {
    this.key = key;
    this.#outcome = outcome;
  }

  /** The entry; absent if it can't be read. */
  get entry(): Entry<T> | undefined {
    return this.#outcome instanceof Entry ? this.#outcome : undefined;
  }

  /** Why the entry can't be read. */
  get error(): KvgateError | undefined {
    return this.#outcome instanceof Entry ? undefined : this.#outcome;
  }

  /** The value. Throws `error` if the entry can't be read. */
  get value(): T {
    return this.#found().value;
  }

  /** The value's JSON. Throws `error` if the entry can't be read. */
  get text(): string {
    return this.#found().text;
  }

  #found(): Entry<T> {
    if (this.#outcome instanceof Entry) return this.#outcome;
    throw this.#outcome;
  }
}

/** What came of deleting one key of many. */
export interface DeleteResult {
  /** The key that was named. */
  readonly key: string;
  /** Whether there was an entry to remove. */
  readonly deleted: boolean;
  /** Why this key alone could not be deleted. */
  readonly error: KvgateError | undefined;
}
