/** What Node.js and browsers share. */
export { BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, BATCH_KEYS_MAX } from "./batches.js";
export { BATCHES_UNANSWERED_MAX } from "./bulk.js";
export { CLOSE_GRACE_MS, type Client } from "./client.js";
export type { Collection } from "./collection.js";
export type { Capabilities, Limits, StoreDescription } from "./description.js";
export type { DeleteResult, Entry, GetResult, ScanResult, TtlResult } from "./entry.js";
export {
  ClosedError,
  type Code,
  DataLossError,
  DeadlineExceededError,
  type ErrorFacts,
  type FailedEntry,
  InvalidArgumentError,
  KvgateError,
  NotSupportedError,
  PermissionDeniedError,
  type PutManyFailure,
  ReadOnlyError,
  ResourceExhaustedError,
  StoreNotFoundError,
  UnauthenticatedError,
  UnavailableError,
  UnsafeIntegerError,
} from "./errors.js";
export type { JsonObject, UnsafeIntegers } from "./json.js";
export {
  ATTEMPTS_MAX,
  type CallOptions,
  type ClientOptions,
  type ListOptions,
  type OpenTelemetryApi,
  type PutOptions,
  type ScanOptions,
  type StreamPutOptions,
  TIMEOUT_MS,
  type TokenSource,
} from "./options.js";
export type { NewEntry } from "./requests.js";
export { RETRY_DELAY_MS_FIRST, RETRY_DELAY_MS_MAX } from "./retry.js";
export type { Store } from "./store.js";
