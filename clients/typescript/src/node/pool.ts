import dns from "node:dns/promises";

import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";

import type { Channel } from "../calls.js";
import { Connection } from "./connection.js";
import type { NodeOptions } from "./options.js";
import { type Target, hostOf } from "./target.js";

/** How old the addresses of a name may be before they are asked for again. */
const ADDRESSES_AGE_MS_MAX = 30_000;
/** The same if one of them can't be reached. */
const ADDRESSES_AGE_MS_MAX_IN_TROUBLE = 1_000;

/** Connections that calls are given to in turn: several to each address. */
export class Pool implements Channel {
  readonly streamsRequests = true;

  readonly #target: Target;
  readonly #options: NodeOptions;
  readonly #interceptors: Interceptor[];
  readonly #connections = new Map<string, Connection[]>();
  #inTurn: Connection[] = [];
  #retired: Connection[] = [];
  #turn = 0;
  #resolvedAt = -Infinity;
  #resolving: Promise<void> | undefined;

  constructor(target: Target, options: NodeOptions, interceptors: Interceptor[]) {
    this.#target = target;
    this.#options = options;
    this.#interceptors = interceptors;
    // Otherwise each connection asks the system for the address when it is made.
    if (!target.allAddresses) this.#use([ANY_ADDRESS]);
  }

  /** The transport whose turn it is. */
  async transport(): Promise<Transport> {
    if (this.#target.allAddresses) await this.#refresh();
    const inTurn = [...this.#inTurn.slice(this.#turn), ...this.#inTurn.slice(0, this.#turn)];
    this.#turn = (this.#turn + 1) % Math.max(1, inTurn.length);
    if (inTurn.length > 1) for (const connection of inTurn) connection.connectSoon();
    // Calls go where they need not wait, as long as there is such a place.
    const next =
      inTurn.find((connection) => connection.isReady()) ??
      inTurn.sort((a, b) => a.triedAt - b.triedAt)[0];
    if (!next) throw new ConnectError("the server's name has no address", Code.Unavailable);
    return next.transport;
  }

  close(): void {
    for (const connection of [...this.#inTurn, ...this.#retired]) connection.close();
  }

  // Waits only if there is no address yet. Those at hand are used on if no others can be had.
  async #refresh(): Promise<void> {
    if (this.#inTurn.length === 0) {
      await this.#resolveOnce();
    } else if (performance.now() - this.#resolvedAt > this.#ageMax()) {
      this.#resolveOnce().catch(() => undefined);
    }
  }

  #ageMax(): number {
    const inTrouble = this.#inTurn.some((connection) => connection.isBroken());
    return inTrouble ? ADDRESSES_AGE_MS_MAX_IN_TROUBLE : ADDRESSES_AGE_MS_MAX;
  }

  #resolveOnce(): Promise<void> {
    this.#resolving ??= this.#resolve().finally(() => (this.#resolving = undefined));
    return this.#resolving;
  }

  async #resolve(): Promise<void> {
    const host = hostOf(this.#target.url);
    try {
      const found = await dns.lookup(host, { all: true });
      this.#use(found.map(({ address }) => address));
    } catch (cause) {
      const message = `no address of ${host} can be had`;
      throw new ConnectError(message, Code.Unavailable, undefined, undefined, cause);
    } finally {
      this.#resolvedAt = performance.now();
    }
  }

  #use(addresses: string[]): void {
    for (const [address, connections] of this.#connections) {
      if (addresses.includes(address)) continue;
      this.#connections.delete(address);
      this.#retired.push(...connections);
    }
    // Calls under way may end on the connection they have.
    this.#retired = this.#retired.filter((connection) => !connection.closeIfIdle());
    for (const address of addresses) {
      if (!this.#connections.has(address)) this.#connections.set(address, this.#open(address));
    }
    this.#inTurn = interleaved([...this.#connections.values()]);
  }

  #open(address: string): Connection[] {
    const known = address === ANY_ADDRESS ? undefined : address;
    return Array.from(
      { length: this.#options.connections ?? 1 },
      () => new Connection(this.#target, known, this.#options, this.#interceptors),
    );
  }
}

const ANY_ADDRESS = "";

// One of each address after the other.
function interleaved(byAddress: Connection[][]): Connection[] {
  const turns = Math.max(0, ...byAddress.map((connections) => connections.length));
  return Array.from({ length: turns }, (_, turn) =>
    byAddress.flatMap((connections) => connections[turn] ?? []),
  ).flat();
}
