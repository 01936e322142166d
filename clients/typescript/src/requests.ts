/** Writes what callers give as the messages that the server takes. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { DurationSchema } from "@bufbuild/protobuf/wkt";

import { invalid } from "./errors.js";
import type { PutEntrySchema } from "./gen/keyvalue/v1/key_value_service_pb.js";
import { type JsonObject, encodeJson } from "./json.js";
import { checkText, encodeText } from "./text.js";

/** An entry to store: key and value, or an object that can also say its ttl or hold JSON text. */
export type NewEntry<T extends object = JsonObject> =
  | readonly [key: string, value: T]
  | {
      /** The key. */
      readonly key: string;
      /** The value. */
      readonly value: T;
      /** How many seconds this entry lives; left out: as the call says. */
      readonly ttl?: number | undefined;
    }
  | {
      /** The key. */
      readonly key: string;
      /** The value's JSON, which is stored letter for letter. */
      readonly text: string | Uint8Array;
      /** How many seconds this entry lives; left out: as the call says. */
      readonly ttl?: number | undefined;
    };

/** A time span as the server takes it. */
export type DurationInit = MessageInitShape<typeof DurationSchema>;

/** An entry as the server takes it. */
export type PutEntryInit = Exclude<MessageInitShape<typeof PutEntrySchema>, { $typeName: string }> &
  Record<"key", string> &
  Record<"value", Uint8Array>;

/**
 * Writes one entry of many; `at` is its place among them, for errors, and `ttlOfAll` is for one
 * that has no ttl of its own.
 */
export function toPutEntry<T extends object>(
  entry: NewEntry<T>,
  at: number,
  ttlOfAll: DurationInit | undefined,
): PutEntryInit {
  const path = `entries[${at}]`;
  if (isPair(entry)) {
    const [key, value] = entry;
    return {
      key: checkText("key", key, `${path}.key`),
      value: toValue(value, `${path}.value`),
      ...(ttlOfAll && { ttl: ttlOfAll }),
    };
  }
  // The ttl of the request would also be that of entries which live for ever, so each has its own.
  const ttl = entry.ttl === undefined ? ttlOfAll : toDuration(entry.ttl, `${path}.ttl`);
  return {
    key: checkText("key", entry.key, `${path}.key`),
    value:
      "text" in entry
        ? toRawValue(entry.text, `${path}.value`)
        : toValue(entry.value, `${path}.value`),
    ...(ttl && { ttl }),
  };
}

/** A value as the server takes it. */
export function toValue(value: object, field = "value"): Uint8Array {
  return encodeText("value", encodeJson(value, field), field);
}

/** A value that is JSON already. */
export function toRawValue(text: string | Uint8Array, field = "value"): Uint8Array {
  return typeof text === "string" ? encodeText("value", text, field) : text;
}

/** A ttl in seconds as the server takes it; for ever is `undefined`. */
export function toDuration(ttl: number | undefined, field = "ttl"): DurationInit | undefined {
  if (ttl === undefined || ttl === Infinity) return undefined;
  // Within what a number holds exactly. What is too long beyond that is for the server to say.
  if (!(Math.abs(ttl) <= Number.MAX_SAFE_INTEGER)) {
    throw invalid("INVALID_TTL", field, `the ttl is no number of seconds: ${ttl}`);
  }
  const seconds = Math.trunc(ttl);
  const nanos = Math.round((ttl - seconds) * 1e9);
  return Math.abs(nanos) === 1e9
    ? { seconds: BigInt(seconds + Math.sign(nanos)), nanos: 0 }
    : { seconds: BigInt(seconds), nanos };
}

function isPair<T extends object>(entry: NewEntry<T>): entry is readonly [string, T] {
  return Array.isArray(entry);
}
