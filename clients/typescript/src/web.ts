/**
 * The client for browsers: gRPC-Web over `fetch`.
 *
 * @module
 */
import { createGrpcWebTransport } from "@connectrpc/connect-web";

import { Client } from "./client.js";
import { interceptorsOf, refuseInsecureToken } from "./interceptors.js";
import type { ClientOptions } from "./options.js";

export * from "./api.js";

/** What a client in a browser can be told. */
export interface WebOptions extends ClientOptions {
  /** What to use for `fetch`, to send cookies for instance. */
  fetch?: typeof globalThis.fetch;
}

/**
 * Makes a client in a browser. Nothing is sent before the first call.
 *
 * ```ts
 * import { connect } from "kvgate/web";
 *
 * const client = connect("https://kvgate.example.com");
 * const settings = await client.collection("settings").get("theme");
 * ```
 *
 * The server, or a proxy before it, must speak gRPC-Web and allow the page's origin.
 */
export function connect(url: string, options: WebOptions = {}): Client {
  const base = new URL(url, "location" in globalThis ? globalThis.location.href : undefined);
  refuseInsecureToken(base, options);
  const { openTelemetry, fetch } = options;
  const transport = createGrpcWebTransport({
    baseUrl: base.href,
    interceptors: interceptorsOf(options, () => Promise.resolve(openTelemetry)),
    ...(fetch && { fetch }),
  });
  const channel = {
    transport: () => Promise.resolve(transport),
    streamsRequests: false,
    close: () => undefined,
  };
  return new Client(channel, options);
}
