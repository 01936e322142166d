import type { ClientOptions } from "../options.js";

/** How long a connection may take to be made, if nothing else is said. */
export const CONNECT_TIMEOUT_MS = 5_000;

/** After so long without a word from the server, with calls under way, it is asked for one. */
export const PING_INTERVAL_MS = 30_000;

/** How long it may take to answer that. */
export const PING_TIMEOUT_MS = 10_000;

/** The largest message taken from the server; what a value may be is the server's limit. */
export const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;

/** What a client in Node.js can be told. */
export interface NodeOptions extends ClientOptions {
  /** Certificates; without them `https:` trusts what Node.js does. */
  tls?: TlsOptions;
  /** A file with the bearer token. It is read again, so that it can be replaced. */
  tokenFile?: string;
  /** How many connections to open to each address, for more load than one takes. Default: 1. */
  connections?: number;
  /** How long a connection may take to be made. Default: 5,000. */
  connectTimeoutMs?: number;
  /**
   * After how long without a word from the server, with calls under way, it is asked for one.
   * Default: 30,000.
   */
  pingIntervalMs?: number;
  /** How long it may take to answer that, before the connection is given up. Default: 10,000. */
  pingTimeoutMs?: number;
  /** The largest message taken from the server, in bytes. Default: 64 MiB. */
  messageBytesMax?: number;
}

/**
 * Files of certificates, in PEM. They are read again for each connection, so that they can be
 * replaced.
 */
export interface TlsOptions {
  /** The authorities that the server's certificate may come from; left out: those of Node.js. */
  caFile?: string;
  /** The certificate that the client shows; it needs `keyFile`. */
  certFile?: string;
  /** The private key of `certFile`. */
  keyFile?: string;
  /** The name that the server's certificate must have, if it isn't the host's. */
  serverName?: string;
}
