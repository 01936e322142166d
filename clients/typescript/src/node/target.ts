import { isIP } from "node:net";

import { invalid } from "../errors.js";

/** Where the server is. */
export interface Target {
  /** The URL that calls are made to; its host is what the server gets as the authority. */
  readonly url: URL;
  /** The path of a Unix socket. */
  readonly socketPath?: string;
  /** Whether all addresses of the host are used in turn. */
  readonly allAddresses: boolean;
}

const PORT_DEFAULT = "50051";

/**
 * Reads where the server is: `http://HOST:PORT`, `https://HOST:PORT`, `dns:///HOST:PORT` (all
 * addresses of the name, in turn) or `unix:/PATH`.
 */
export function parseTarget(text: string, encrypted: boolean): Target {
  const socketPath = /^unix:(?:\/\/)?(.+)$/.exec(text)?.[1];
  if (socketPath !== undefined) {
    const url = new URL(encrypted ? "https://localhost" : "http://localhost");
    return { url, socketPath, allAddresses: false };
  }
  const authority = /^dns:(?:\/\/\/)?([^/]+)$/.exec(text)?.[1];
  const scheme = encrypted ? "https" : "http";
  const url = parse(authority === undefined ? text : `${scheme}://${authority}`);
  if (url.protocol === "http:" && encrypted) {
    throw invalid("INVALID_URL", "url", "certificates need https:, dns: or unix:");
  }
  return { url, allAddresses: authority !== undefined };
}

/** The host as `net.connect` takes it. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, "$1");
}

/** The port, also where a URL leaves the usual one out. */
export function portOf({ port, protocol }: URL): number {
  return port === "" ? (protocol === "https:" ? 443 : 80) : Number(port);
}

/** The name that TLS asks the server for: addresses have none. */
export function serverNameOf(url: URL): string | undefined {
  const host = hostOf(url);
  return isIP(host) === 0 ? host : undefined;
}

function parse(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !["http:", "https:"].includes(url.protocol) || url.username || url.password) {
    // The text is not shown, as it may have a password.
    throw invalid(
      "INVALID_URL",
      "url",
      "the server is http://HOST:PORT, https://HOST:PORT, dns:///HOST:PORT or unix:/PATH",
    );
  }
  if (!/:\d+\/?$/.test(text)) url.port ||= PORT_DEFAULT;
  return url;
}
