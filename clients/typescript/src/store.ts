import type { Calls } from "./calls.js";
import { Collection } from "./collection.js";
import { type StoreDescription, readDescription } from "./description.js";
import { KvgateError } from "./errors.js";
import { KeyValueService } from "./gen/keyvalue/v1/key_value_service_pb.js";
import { StoreService } from "./gen/keyvalue/v1/store_service_pb.js";
import type { JsonObject } from "./json.js";
import type { CallOptions, ListOptions } from "./options.js";
import { pages } from "./pages.js";
import { checkText } from "./text.js";

const { method } = StoreService;

/**
 * A store of the server's configuration.
 *
 * ```ts
 * const sessions = client.store("sessions");
 * console.log((await sessions.describe()).type);
 * ```
 */
export class Store {
  /** The store's name; empty: the server's default store. */
  readonly name: string;

  readonly #calls: Calls;

  /** @internal */
  constructor(calls: Calls, name: string) {
    this.#calls = calls;
    this.name = name;
  }

  /** A collection; without a name the store's default collection. Nothing is sent. */
  collection<T extends object = JsonObject>(name = ""): Collection<T> {
    return new Collection<T>(this.#calls, this.name, name);
  }

  /** Type, capabilities and limits. */
  async describe(options?: CallOptions): Promise<StoreDescription> {
    const { store } = await this.#calls.unary(method.getStore, { store: this.name }, options);
    if (!store) throw new KvgateError("the server described no store", { code: "INTERNAL" });
    return readDescription(store);
  }

  /** The names of the collections that hold entries, a page at a time behind the scenes. */
  async *listCollections({
    prefix = "",
    pageSize = 0,
    ...options
  }: ListOptions = {}): AsyncGenerator<string, void, undefined> {
    const request = { store: this.name, prefix: checkText("prefix", prefix), pageSize };
    const { listCollections } = KeyValueService.method;
    yield* pages(async (pageToken) => {
      const page = { ...request, pageToken };
      const { collections, nextPageToken } = await this.#calls.unary(
        listCollections,
        page,
        options,
      );
      return { names: collections, nextPageToken };
    });
  }

  /** Removes a collection, which must be named, with all its entries. Returns whether it had any. */
  async deleteCollection(collection: string, options?: CallOptions): Promise<boolean> {
    const request = { store: this.name, collection: checkText("collection", collection) };
    return (await this.#calls.unary(method.deleteCollection, request, options)).deleted;
  }

  /** Removes the expired entries that the store still holds. Returns how many those were. */
  async cull(options?: CallOptions): Promise<number> {
    const { culledCount } = await this.#calls.unary(method.cull, { store: this.name }, options);
    return Number(culledCount);
  }

  /** Removes all entries of all collections. The store must be named. */
  async destroy(options?: CallOptions): Promise<void> {
    await this.#calls.unary(method.destroyStore, { store: this.name }, options);
  }
}
