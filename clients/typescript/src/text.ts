import { invalid } from "./errors.js";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What a text of a request is; an error's reason is named after it. */
export type TextKind = "key" | "collection" | "prefix" | "value";

/** The UTF-8 bytes of text. */
export function encodeText(kind: TextKind, text: string, field: string = kind): Uint8Array {
  return encoder.encode(checkText(kind, text, field));
}

/** The text of UTF-8 bytes. */
export function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/**
 * Refuses half a character (a lone surrogate), which UTF-8 can't say: it would be replaced, and
 * two different names could meet.
 */
export function checkText(kind: TextKind, text: string, field: string = kind): string {
  if (!LONE_SURROGATE.test(text)) return text;
  const reason = kind === "prefix" ? "INVALID_KEY" : `INVALID_${kind.toUpperCase()}`;
  throw invalid(reason, field, `the ${kind} has half a character (a lone surrogate)`);
}

const LONE_SURROGATE = /\p{Surrogate}/u;
