import { KvgateError } from "./errors.js";

/** How long to wait at most before a call is tried for the second time; doubled each time. */
export const RETRY_DELAY_MS_FIRST = 50;
/** How long to wait at most before any further try, unless the server asks for more. */
export const RETRY_DELAY_MS_MAX = 1_000;

/** How long to wait before trying again what failed; `undefined` if it would not help. */
export function retryDelayMs(error: unknown, attempt: number): number | undefined {
  if (!(error instanceof KvgateError) || !mayHelp(error)) return undefined;
  const backOff = Math.min(RETRY_DELAY_MS_FIRST * 2 ** (attempt - 1), RETRY_DELAY_MS_MAX);
  // Jitter, so that callers who failed together don't come back together.
  return (error.retryAfterMs ?? 0) + backOff * Math.random();
}

function mayHelp({ code, retryAfterMs }: KvgateError): boolean {
  return code === "UNAVAILABLE" || (code === "RESOURCE_EXHAUSTED" && retryAfterMs !== undefined);
}
