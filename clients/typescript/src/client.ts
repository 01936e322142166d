import { type Channel, Calls } from "./calls.js";
import type { Collection } from "./collection.js";
import { type StoreDescription, readDescription } from "./description.js";
import { StoreService } from "./gen/keyvalue/v1/store_service_pb.js";
import type { JsonObject } from "./json.js";
import type { CallOptions, ClientOptions } from "./options.js";
import { Store } from "./store.js";

/** How long `close()` waits for calls that are under way, if nothing else is said. */
export const CLOSE_GRACE_MS = 10_000;

/** A client of one kvgate server, or of several behind one name. Made by `connect()`. */
export class Client {
  readonly #calls: Calls;
  readonly #defaultStore: Store;

  /** @internal */
  constructor(channel: Channel, options: ClientOptions) {
    this.#calls = new Calls(channel, options);
    this.#defaultStore = new Store(this.#calls, options.store ?? "");
  }

  /** A collection of the client's store; without a name its default collection. */
  collection<T extends object = JsonObject>(name = ""): Collection<T> {
    return this.#defaultStore.collection<T>(name);
  }

  /** A store by its name; without one the client's store. Nothing is sent. */
  store(name?: string): Store {
    return name === undefined ? this.#defaultStore : new Store(this.#calls, name);
  }

  /** The stores that the server has, by name. */
  async listStores(options?: CallOptions): Promise<StoreDescription[]> {
    const { stores } = await this.#calls.unary(StoreService.method.listStores, {}, options);
    return stores.map(readDescription);
  }

  /**
   * Closes the connections. Calls that are under way may end within `graceMs`; what is left then,
   * and what is called later, rejects with a {@link ClosedError}.
   */
  async close({ graceMs = CLOSE_GRACE_MS }: { graceMs?: number } = {}): Promise<void> {
    await this.#calls.close(graceMs);
  }

  /** `close()`, for `await using client = connect(…)`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
