import { readFileSync } from "node:fs";
import type { ClientHttp2Stream } from "node:http2";
import { connect as connectPlain, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions } from "node:tls";

import type { Interceptor, Transport } from "@connectrpc/connect";
import { Http2SessionManager, createGrpcTransport } from "@connectrpc/connect-node";

import {
  CONNECT_TIMEOUT_MS,
  MESSAGE_BYTES_MAX,
  PING_INTERVAL_MS,
  PING_TIMEOUT_MS,
  type NodeOptions,
  type TlsOptions,
} from "./options.js";
import { type Target, hostOf, portOf, serverNameOf } from "./target.js";

/** How long after one attempt to connect the next is made, as long as calls have other ways. */
const RECONNECT_MS = 1_000;

/** One HTTP/2 connection, made when it is needed and made again when it broke. */
export class Connection {
  readonly transport: Transport;

  readonly #session: Http2SessionManager;
  #triedAt = -Infinity;

  constructor(
    target: Target,
    address: string | undefined,
    options: NodeOptions,
    interceptors: Interceptor[],
  ) {
    const { pingIntervalMs = PING_INTERVAL_MS, pingTimeoutMs = PING_TIMEOUT_MS } = options;
    const keepAlive = { pingIntervalMs, pingTimeoutMs };
    this.#session = new SessionManager(target.url, keepAlive, {
      createConnection: () => {
        this.#triedAt = performance.now();
        return open(target, address, options);
      },
    });
    this.transport = createGrpcTransport({
      baseUrl: target.url.origin,
      sessionManager: this.#session,
      interceptors,
      readMaxBytes: options.messageBytesMax ?? MESSAGE_BYTES_MAX,
    });
  }

  /** When a connection was last tried to be made. */
  get triedAt(): number {
    return this.#triedAt;
  }

  /** Whether a call can be made at once. */
  isReady(): boolean {
    return ["open", "idle", "verifying"].includes(this.#session.state());
  }

  /** Whether it could not be made, or is no more. */
  isBroken(): boolean {
    return this.#triedAt > -Infinity && ["error", "closed"].includes(this.#session.state());
  }

  /** Makes the connection, unless that was tried a moment ago. Calls don't wait for it. */
  connectSoon(): void {
    if (this.isReady() || performance.now() - this.#triedAt < RECONNECT_MS) return;
    this.#session.connect().catch(() => undefined);
  }

  /** Closes the connection if no call is under way on it. Returns whether it is closed. */
  closeIfIdle(): boolean {
    if (["open", "connecting", "verifying"].includes(this.#session.state())) return false;
    this.close();
    return true;
  }

  close(): void {
    this.#session.abort();
  }
}

// The base class takes its listener from a session that it gives up, whose error may come after
// that, once a ping had no answer: without any listener it would end the process.
class SessionManager extends Http2SessionManager {
  readonly #listenedTo = new WeakSet<object>();

  override async request(
    ...args: Parameters<Http2SessionManager["request"]>
  ): Promise<ClientHttp2Stream> {
    const stream = await super.request(...args);
    const { session } = stream;
    if (session && !this.#listenedTo.has(session)) {
      this.#listenedTo.add(session);
      session.on("error", () => undefined);
    }
    return stream;
  }
}

/** Reads the files of certificates, so that a wrong path is known before the first call. */
export function readCertificates(tls: TlsOptions): ConnectionOptions {
  const { caFile, certFile, keyFile } = tls;
  return {
    ...(caFile !== undefined && { ca: readFileSync(caFile) }),
    ...(certFile !== undefined && { cert: readFileSync(certFile) }),
    ...(keyFile !== undefined && { key: readFileSync(keyFile) }),
  };
}

function open(target: Target, address: string | undefined, options: NodeOptions): Socket {
  const { url, socketPath } = target;
  const { tls = {}, connectTimeoutMs = CONNECT_TIMEOUT_MS } = options;
  const place =
    socketPath === undefined
      ? { host: address ?? hostOf(url), port: portOf(url) }
      : { path: socketPath };
  const encrypted = url.protocol === "https:";
  const servername = tls.serverName ?? serverNameOf(url);
  const socket = encrypted
    ? connectTls({
        ...place,
        ...readCertificates(tls),
        ...(servername !== undefined && { servername }),
        ALPNProtocols: ["h2"],
      })
    : connectPlain(place);
  const timer = setTimeout(() => {
    socket.destroy(timedOut(connectTimeoutMs));
  }, connectTimeoutMs);
  const stop = (): void => {
    clearTimeout(timer);
  };
  socket.once(encrypted ? "secureConnect" : "connect", stop).once("close", stop);
  return socket;
}

function timedOut(connectTimeoutMs: number): Error {
  const message = `no connection within ${connectTimeoutMs} ms`;
  return Object.assign(new Error(message), { code: "ETIMEDOUT" });
}
