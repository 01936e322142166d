import type { Interceptor } from "@connectrpc/connect";

import { InvalidArgumentError, UnauthenticatedError } from "./errors.js";
import type { ClientOptions, OpenTelemetryApi, TokenSource } from "./options.js";

/** Gives OpenTelemetry's API, if there is one. */
export type FindOpenTelemetry = () => Promise<OpenTelemetryApi | undefined>;

/** What is done around every try of every call, outermost first. */
export function interceptorsOf(
  { token, interceptors = [] }: ClientOptions,
  findOpenTelemetry: FindOpenTelemetry,
): Interceptor[] {
  return [
    ...(token === undefined ? [] : [bearer(token)]),
    traceContext(findOpenTelemetry),
    ...interceptors,
  ];
}

/** Refuses to send a token where others can read it. */
export function refuseInsecureToken(url: URL, options: ClientOptions): void {
  if (options.token === undefined || options.allowInsecureToken === true) return;
  if (url.protocol === "https:" || isLoopback(url.hostname)) return;
  throw new InvalidArgumentError(
    `the token would go to ${url.host} unencrypted: use https, or say allowInsecureToken: true`,
    { code: "INVALID_ARGUMENT", reason: "INSECURE_TOKEN", field: "token" },
  );
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host);
}

function bearer(token: string | TokenSource): Interceptor {
  return (next) => async (request) => {
    request.header.set("authorization", `Bearer ${await read(token)}`);
    return next(request);
  };
}

async function read(token: string | TokenSource): Promise<string> {
  let text: string;
  try {
    text = (typeof token === "string" ? token : await token()).trim();
  } catch (cause) {
    throw unusable("the token can't be had", cause);
  }
  // Said here: the error of Headers.set() would show the token.
  if (!/^[\x21-\x7e]+$/.test(text)) throw unusable("the token is empty, or no header can hold it");
  return text;
}

function unusable(message: string, cause?: unknown): UnauthenticatedError {
  const facts = { code: "UNAUTHENTICATED", reason: "TOKEN_UNUSABLE", cause } as const;
  return new UnauthenticatedError(message, facts);
}

function traceContext(find: FindOpenTelemetry): Interceptor {
  return (next) => async (request) => {
    const api = await find();
    api?.propagation.inject(api.context.active() as never, request.header, {
      set: (headers, name, value) => {
        headers.set(name, value);
      },
    });
    return next(request);
  };
}
