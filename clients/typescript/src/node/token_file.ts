import { readFile } from "node:fs/promises";

import type { TokenSource } from "../options.js";

/** How old what was read from the file may be: a token can be replaced without a restart. */
const TOKEN_AGE_MS_MAX = 1_000;

/** The token that a file holds. */
export function tokenFromFile(path: string): TokenSource {
  let token: Promise<string> | undefined;
  let readAt = -Infinity;
  return () => {
    if (token === undefined || performance.now() - readAt > TOKEN_AGE_MS_MAX) {
      readAt = performance.now();
      token = readFile(path, "utf8");
    }
    return token;
  };
}
