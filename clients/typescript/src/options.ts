import type { Interceptor } from "@connectrpc/connect";

import type { UnsafeIntegers } from "./json.js";

/** How long a call that is no stream may take, with all its tries, if nothing else is said. */
export const TIMEOUT_MS = 10_000;

/** How often a call is tried, the first time included. */
export const ATTEMPTS_MAX = 4;

/** Gives the bearer token of a call, such as one from a file or an identity provider. */
export type TokenSource = () => string | Promise<string>;

/** The part of `@opentelemetry/api` that passes trace context on. */
export interface OpenTelemetryApi {
  /** The API's `context`. */
  context: { active(): unknown };
  /** The API's `propagation`. */
  propagation: {
    inject(
      context: never,
      carrier: Headers,
      setter: { set(carrier: Headers, name: string, value: string): void },
    ): void;
  };
}

/** What every client can be told, in Node.js and in browsers. */
export interface ClientOptions {
  /** The store of `collection()`; left out: the server's default store. */
  store?: string;
  /** How long a call that is no stream may take, with all its tries. Default: 10,000. */
  timeoutMs?: number;
  /** How often a call is tried, the first time included; 1: never again. Default: 4. */
  attemptsMax?: number;
  /** A bearer token, or what gives one for each call. */
  token?: string | TokenSource;
  /** Send the token even where others can read it: without TLS, beyond this machine. */
  allowInsecureToken?: boolean;
  /**
   * What to do with integers that no `number` holds: throw an `UnsafeIntegerError` when the value
   * is read, or give them as `bigint`. Default: `"throw"`.
   */
  unsafeIntegers?: UnsafeIntegers;
  /**
   * The module `@opentelemetry/api`, to pass trace context on. Node.js finds it by itself if it
   * is installed; in a browser: `import * as openTelemetry from "@opentelemetry/api"`.
   */
  openTelemetry?: OpenTelemetryApi;
  /** Connect's interceptors, around every try of every call. */
  interceptors?: Interceptor[];
}

/** What every call can be told. */
export interface CallOptions {
  /** Ends the call early; it rejects with the signal's reason. */
  signal?: AbortSignal;
  /**
   * How long the call may take, with all its tries. Default: the client's `timeoutMs`; a stream
   * may take as long as it likes.
   */
  timeoutMs?: number;
  /** Metadata to send with the call. */
  headers?: HeadersInit;
}

/** What a call that stores can be told. */
export interface PutOptions extends CallOptions {
  /** How many seconds the entry lives, greater than 0; left out or `Infinity`: for ever. */
  ttl?: number;
}

/** What `streamPutMany` can be told. */
export interface StreamPutOptions extends PutOptions {
  /** Is told, as batches are stored, how many entries are. */
  onStored?: (stored: number) => void;
}

/** What a listing can be told. */
export interface ListOptions extends CallOptions {
  /** Only names that begin with this. */
  prefix?: string;
  /** How many names to fetch at once; the server decides if left out. */
  pageSize?: number;
}

/** What a scan can be told. */
export interface ScanOptions extends CallOptions {
  /** Only keys that begin with this. */
  prefix?: string;
}
