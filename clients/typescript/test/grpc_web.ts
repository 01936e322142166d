/**
 * A proxy that speaks gRPC-Web to browsers and gRPC to the server behind it, as Envoy does, with
 * CORS for any page. It also serves the page that the tests run in.
 */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";

import type { DescService } from "@bufbuild/protobuf";
import { type HandlerContext, type Transport, cors, createClient } from "@connectrpc/connect";
import { connectNodeAdapter, createGrpcTransport } from "@connectrpc/connect-node";
import { KeyValueService, StoreService } from "kvgate/proto";

export interface Proxy {
  /** Where gRPC-Web is spoken. */
  readonly url: string;
  /** An origin of its own, so that calls cross origins. */
  readonly pageUrl: string;
  readonly stop: () => Promise<void>;
}

export async function startProxy(serverUrl: string): Promise<Proxy> {
  const transport = createGrpcTransport({ baseUrl: serverUrl });
  const adapter = connectNodeAdapter({
    grpc: false,
    connect: false,
    routes: (router) => {
      for (const service of [KeyValueService, StoreService]) {
        router.service(service, forwardingTo(transport, service));
      }
    },
  });
  const proxy = createServer((request, response) => {
    if (!allowCrossOrigin(request, response)) adapter(request, response);
  });
  const page = createServer((_request, response) => {
    response.setHeader("content-type", "text/html");
    response.end("<!doctype html><title>kvgate</title>");
  });
  return {
    url: await listen(proxy),
    pageUrl: await listen(page),
    stop: async () => {
      for (const server of [proxy, page]) {
        const closed = new Promise((resolve) => server.close(resolve));
        server.closeAllConnections();
        await closed;
      }
    },
  };
}

type Forward = (request: never, context: HandlerContext) => unknown;

function forwardingTo(transport: Transport, service: DescService): Record<string, Forward> {
  const client = createClient(service, transport) as Record<string, unknown>;
  const forward = (name: string): Forward => {
    const call = client[name] as (request: never, options: object) => unknown;
    return (request, { signal, timeoutMs, requestHeader }) => {
      const left = timeoutMs();
      const headers = { "x-seen-by-test": requestHeader.get("authorization") ?? "" };
      return call(request, { signal, headers, ...(left !== undefined && { timeoutMs: left }) });
    };
  };
  return Object.fromEntries(
    service.methods
      .filter(({ methodKind }) => methodKind === "unary" || methodKind === "server_streaming")
      .map(({ localName }) => [localName, forward(localName)]),
  );
}

// Answers what a browser asks before the call itself.
function allowCrossOrigin({ method }: IncomingMessage, response: ServerResponse): boolean {
  response.setHeader("access-control-allow-origin", "*");
  response.setHeader("access-control-allow-methods", cors.allowedMethods.join(", "));
  const headers = [...cors.allowedHeaders, "authorization"];
  response.setHeader("access-control-allow-headers", headers.join(", "));
  response.setHeader("access-control-expose-headers", cors.exposedHeaders.join(", "));
  if (method !== "OPTIONS") return false;
  response.writeHead(204).end();
  return true;
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
}
