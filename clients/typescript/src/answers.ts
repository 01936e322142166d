/** Reads the server's messages as what callers get. */
import { type Duration, durationMs, timestampDate } from "@bufbuild/protobuf/wkt";

import { type DeleteResult, Entry, GetResult, ScanResult, TtlResult } from "./entry.js";
import { KvgateError } from "./errors.js";
import type { Entry as EntryMessage } from "./gen/keyvalue/v1/entry_pb.js";
import type {
  DeleteResult as DeleteResultMessage,
  GetResult as GetResultMessage,
  ScanEntriesResponse,
  TtlResult as TtlResultMessage,
} from "./gen/keyvalue/v1/key_value_service_pb.js";
import type { UnsafeIntegers } from "./json.js";
import { fromStatus } from "./status.js";

export function readEntry<T extends object>(
  { key, value, createdAt, expiresAt }: EntryMessage,
  unsafeIntegers: UnsafeIntegers,
): Entry<T> {
  const stored = {
    key,
    bytes: value,
    createdAt: createdAt && timestampDate(createdAt),
    expiresAt: expiresAt && timestampDate(expiresAt),
  };
  return new Entry<T>(stored, unsafeIntegers);
}

export function readGetResult<T extends object>(
  { key, outcome }: GetResultMessage,
  unsafeIntegers: UnsafeIntegers,
): GetResult<T> {
  const entry = outcome.case === "entry" ? readEntry<T>(outcome.value, unsafeIntegers) : undefined;
  const error = outcome.case === "error" ? fromStatus(outcome.value) : undefined;
  return new GetResult<T>(key, entry, error);
}

export function readTtlResult<T extends object>(
  result: Omit<TtlResultMessage, "$typeName">,
  unsafeIntegers: UnsafeIntegers,
): TtlResult<T> {
  const entry = result.entry && readEntry<T>(result.entry, unsafeIntegers);
  const error = result.error && fromStatus(result.error);
  return new TtlResult<T>(result.key, entry, error, entry && secondsLeft(result.ttl));
}

export function readDeleteResult({ key, deleted, error }: DeleteResultMessage): DeleteResult {
  return { key, deleted, error: error && fromStatus(error) };
}

export function* readScanResults<T extends object>(
  { entries, failures }: ScanEntriesResponse,
  unsafeIntegers: UnsafeIntegers,
): Generator<ScanResult<T>, void, undefined> {
  for (const entry of entries) {
    yield new ScanResult<T>(entry.key, readEntry<T>(entry, unsafeIntegers));
  }
  for (const { key, outcome } of failures) {
    const error = outcome.case === "error" ? fromStatus(outcome.value) : unsaid();
    yield new ScanResult<T>(key, error);
  }
}

function unsaid(): KvgateError {
  return new KvgateError("the server did not say why the entry can't be read", {
    code: "UNKNOWN",
    fromServer: true,
  });
}

function secondsLeft(ttl: Duration | undefined): number {
  return ttl ? durationMs(ttl) / 1000 : Infinity;
}
