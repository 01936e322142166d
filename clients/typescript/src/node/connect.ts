import { Client } from "../client.js";
import { invalid } from "../errors.js";
import { type FindOpenTelemetry, interceptorsOf, refuseInsecureToken } from "../interceptors.js";
import type { OpenTelemetryApi } from "../options.js";
import { readCertificates } from "./connection.js";
import type { NodeOptions } from "./options.js";
import { Pool } from "./pool.js";
import { parseTarget } from "./target.js";
import { tokenFromFile } from "./token_file.js";

/**
 * Makes a client in Node.js. Nothing is sent before the first call.
 *
 * ```ts
 * import { connect } from "kvgate";
 *
 * const client = connect("http://localhost:50051");
 * const users = client.collection("users");
 * await users.put("ada", { name: "Ada Lovelace" }, { ttl: 3600 });
 * console.log(await users.get("ada"));
 * await client.close();
 * ```
 *
 * The server is at
 * - `http://HOST:PORT` or `https://HOST:PORT`; without a port 50051,
 * - `dns:///HOST:PORT`: all addresses of the name in turn, such as a headless service of
 *   Kubernetes has; encrypted if `tls` is given,
 * - `unix:/PATH`: a Unix socket.
 *
 * Throws at once what is wrong with the options, such as a file of certificates that isn't there.
 */
export function connect(url: string, options: NodeOptions = {}): Client {
  const { tls, tokenFile, connections = 1 } = options;
  const target = parseTarget(url, tls !== undefined);
  if (!Number.isInteger(connections) || connections < 1) {
    throw invalid("INVALID_OPTION", "connections", "connections is a whole number from 1");
  }
  if (tls) readCertificates(tls);
  const withToken =
    tokenFile === undefined ? options : { ...options, token: tokenFromFile(tokenFile) };
  refuseInsecureToken(target.url, withToken);
  const interceptors = interceptorsOf(withToken, openTelemetryOf(options));
  return new Client(new Pool(target, options, interceptors), options);
}

function openTelemetryOf({ openTelemetry }: NodeOptions): FindOpenTelemetry {
  let found: Promise<OpenTelemetryApi | undefined> | undefined;
  return () => (found ??= openTelemetry ? Promise.resolve(openTelemetry) : findOpenTelemetry());
}

async function findOpenTelemetry(): Promise<OpenTelemetryApi | undefined> {
  try {
    return await import("@opentelemetry/api");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND") return undefined;
    throw error;
  }
}
