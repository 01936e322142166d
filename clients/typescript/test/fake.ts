/** A server that behaves as a test wants it: for what a real one does only in trouble. */
import { createServer, type Http2Server } from "node:http2";
import type { AddressInfo } from "node:net";

import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { ErrorInfoSchema, KeyValueService, RetryInfoSchema } from "kvgate/proto";

export interface Fake {
  readonly url: string;
  readonly port: number;
  /** How many connections were made. */
  readonly connections: () => number;
  readonly stop: () => Promise<void>;
}

export async function startFake(
  calls: Partial<ServiceImpl<typeof KeyValueService>>,
  { host = "127.0.0.1", port = 0 } = {},
): Promise<Fake> {
  const adapter = connectNodeAdapter({
    routes: (router) => router.service(KeyValueService, calls),
  });
  const server: Http2Server = createServer(adapter);
  const sessions = new Set<{ destroy(): void }>();
  let connections = 0;
  server.on("session", (session) => {
    connections += 1;
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
  });
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  const address = server.address() as AddressInfo;
  return {
    url: `http://${host}:${address.port}`,
    port: address.port,
    connections: () => connections,
    stop: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const session of sessions) session.destroy();
      await closed;
    },
  };
}

/** An error as kvgate sends it. */
export function failure(
  code: Code,
  reason: string,
  retryAfterMs?: number,
  more: ConstructorParameters<typeof ConnectError>[3] = [],
): ConnectError {
  const info = { reason, domain: "kvgate.dev", metadata: { store: "main" } };
  const delay = { seconds: 0n, nanos: (retryAfterMs ?? 0) * 1e6 };
  return new ConnectError(`a test asked for ${reason}`, code, undefined, [
    { desc: ErrorInfoSchema, value: create(ErrorInfoSchema, info) },
    ...(retryAfterMs === undefined
      ? []
      : [{ desc: RetryInfoSchema, value: create(RetryInfoSchema, { retryDelay: delay }) }]),
    ...more,
  ]);
}
