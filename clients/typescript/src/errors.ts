import { Code as ConnectCode } from "@connectrpc/connect";

/** The name of a gRPC status code, such as `"UNAVAILABLE"`. */
export type Code =
  | "CANCELLED"
  | "UNKNOWN"
  | "INVALID_ARGUMENT"
  | "DEADLINE_EXCEEDED"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "PERMISSION_DENIED"
  | "RESOURCE_EXHAUSTED"
  | "FAILED_PRECONDITION"
  | "ABORTED"
  | "OUT_OF_RANGE"
  | "UNIMPLEMENTED"
  | "INTERNAL"
  | "UNAVAILABLE"
  | "DATA_LOSS"
  | "UNAUTHENTICATED";

/** What an error says beyond its message. */
export interface ErrorFacts {
  code: Code;
  reason?: string | undefined;
  metadata?: Readonly<Record<string, string>> | undefined;
  field?: string | undefined;
  retryAfterMs?: number | undefined;
  fromServer?: boolean | undefined;
  cause?: unknown;
}

/**
 * A call that failed. Each kind that callers treat differently is a subclass.
 *
 * ```ts
 * try {
 *   await sessions.put("user-7", session);
 * } catch (error) {
 *   if (error instanceof ReadOnlyError) return;
 *   if (error instanceof KvgateError) console.error(error.code, error.reason, error.metadata);
 *   throw error;
 * }
 * ```
 */
export class KvgateError extends Error {
  override readonly name: string = "KvgateError";
  /** The gRPC status code. */
  readonly code: Code;
  /**
   * Why, for programs: a name of the API's `ErrorReason` without its prefix, such as
   * `"STORE_NOT_FOUND"`. Absent if the error isn't kvgate's, such as a connection that broke.
   */
  readonly reason: string | undefined;
  /** Facts such as `store`, `limit` and `limit_name`; never a value or a secret. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The request's field that is wrong, such as `"entries[1].key"`. */
  readonly field: string | undefined;
  /** In how many milliseconds the server asks to be called again, if it does. */
  readonly retryAfterMs: number | undefined;
  /** Whether the server answered so; otherwise it was not reached, or never asked. */
  readonly fromServer: boolean;
  /** What was stored all the same, if `putMany` or `streamPutMany` failed. */
  readonly putMany: PutManyFailure | undefined;

  constructor(message: string, facts: ErrorFacts, putMany?: PutManyFailure) {
    super(message, { cause: facts.cause });
    this.code = facts.code;
    this.reason = facts.reason;
    this.metadata = facts.metadata ?? {};
    this.field = facts.field;
    this.retryAfterMs = facts.retryAfterMs;
    this.fromServer = facts.fromServer ?? false;
    this.putMany = putMany;
  }
}

/** What is stored of the entries that a failed `putMany` or `streamPutMany` was given. */
export interface PutManyFailure {
  /**
   * So many entries, counted from the first one given, belong to batches that were stored as a
   * whole. 0 for `putMany`, which is one batch.
   */
  readonly acknowledged: number;
  /** Which further entries are stored: their places among all entries given, from 0. */
  readonly stored: readonly number[];
  /** Whether entries that are neither acknowledged nor in `stored` may be stored all the same. */
  readonly uncertain: boolean;
  /** The first few entries that failed. */
  readonly firstFailures: readonly FailedEntry[];
}

/** An entry that was not stored. */
export interface FailedEntry {
  /** The entry's place among all entries given, from 0. */
  readonly index: number;
  /** The entry's key; a long one is cut. */
  readonly key: string;
  /** Why it was not stored. */
  readonly error: KvgateError;
}

/** INVALID_ARGUMENT: a name, value, ttl or page size that kvgate doesn't take; see `field`. */
export class InvalidArgumentError extends KvgateError {
  override readonly name = "InvalidArgumentError";
}

/** NOT_FOUND: no store of that name is configured. A missing key is never an error. */
export class StoreNotFoundError extends KvgateError {
  override readonly name = "StoreNotFoundError";
}

/** UNIMPLEMENTED: the store can't do this; see `StoreDescription.capabilities`. */
export class NotSupportedError extends KvgateError {
  override readonly name = "NotSupportedError";
}

/** FAILED_PRECONDITION: the store is configured to be read only. */
export class ReadOnlyError extends KvgateError {
  override readonly name = "ReadOnlyError";
}

/**
 * UNAVAILABLE: the server or the store's backend can't be reached, even by trying again. A write
 * may have taken place.
 */
export class UnavailableError extends KvgateError {
  override readonly name = "UnavailableError";
}

/** RESOURCE_EXHAUSTED: too many calls, a full store or too large a message; see `reason`. */
export class ResourceExhaustedError extends KvgateError {
  override readonly name = "ResourceExhaustedError";
}

/** DEADLINE_EXCEEDED: `timeoutMs` passed first. A write may have taken place. */
export class DeadlineExceededError extends KvgateError {
  override readonly name = "DeadlineExceededError";
}

/** DATA_LOSS: what is stored under the key can't be read as an entry. */
export class DataLossError extends KvgateError {
  override readonly name = "DataLossError";
}

/** UNAUTHENTICATED: the server wants a token or a certificate that it knows. */
export class UnauthenticatedError extends KvgateError {
  override readonly name = "UnauthenticatedError";
}

/** PERMISSION_DENIED: the server, or the store's backend, doesn't allow it. */
export class PermissionDeniedError extends KvgateError {
  override readonly name = "PermissionDeniedError";
}

/**
 * A value has an integer that no JavaScript `number` holds, such as 9007199254740993, so that
 * reading it would change it. Read the text with `getText`, or take such integers as `bigint`
 * with the client's option `unsafeIntegers: "bigint"`.
 */
export class UnsafeIntegerError extends KvgateError {
  override readonly name = "UnsafeIntegerError";

  constructor() {
    super(
      "the value has a number that JavaScript can't hold: read its text (getText), " +
        'or connect with unsafeIntegers: "bigint"',
      { code: "OUT_OF_RANGE", reason: "UNSAFE_INTEGER" },
    );
  }
}

/** The client was closed before the call, or during it. */
export class ClosedError extends KvgateError {
  override readonly name = "ClosedError";

  constructor() {
    super("the client is closed", { code: "CANCELLED", reason: "CLIENT_CLOSED" });
  }
}

type ErrorClass = new (message: string, facts: ErrorFacts, putMany?: PutManyFailure) => KvgateError;

const CLASSES_BY_REASON: Readonly<Record<string, ErrorClass>> = {
  STORE_NOT_FOUND: StoreNotFoundError,
  READ_ONLY: ReadOnlyError,
};

const CLASSES_BY_CODE: Readonly<Partial<Record<Code, ErrorClass>>> = {
  INVALID_ARGUMENT: InvalidArgumentError,
  UNIMPLEMENTED: NotSupportedError,
  UNAVAILABLE: UnavailableError,
  RESOURCE_EXHAUSTED: ResourceExhaustedError,
  DEADLINE_EXCEEDED: DeadlineExceededError,
  DATA_LOSS: DataLossError,
  UNAUTHENTICATED: UnauthenticatedError,
  PERMISSION_DENIED: PermissionDeniedError,
};

/** Makes the error of the class that its reason or code asks for. */
export function makeError(
  message: string,
  facts: ErrorFacts,
  putMany?: PutManyFailure,
): KvgateError {
  const Class = CLASSES_BY_REASON[facts.reason ?? ""] ?? CLASSES_BY_CODE[facts.code] ?? KvgateError;
  return new Class(message, facts, putMany);
}

/** A request that the client itself refuses, as the server would. */
export function invalid(reason: string, field: string, message: string): InvalidArgumentError {
  return new InvalidArgumentError(message, { code: "INVALID_ARGUMENT", reason, field });
}

/** The gRPC name of a numeric status code. */
export function codeName(code: number): Code {
  return CODE_NAMES[code] ?? "UNKNOWN";
}

const CODE_NAMES: Readonly<Record<number, Code>> = {
  [ConnectCode.Canceled]: "CANCELLED",
  [ConnectCode.Unknown]: "UNKNOWN",
  [ConnectCode.InvalidArgument]: "INVALID_ARGUMENT",
  [ConnectCode.DeadlineExceeded]: "DEADLINE_EXCEEDED",
  [ConnectCode.NotFound]: "NOT_FOUND",
  [ConnectCode.AlreadyExists]: "ALREADY_EXISTS",
  [ConnectCode.PermissionDenied]: "PERMISSION_DENIED",
  [ConnectCode.ResourceExhausted]: "RESOURCE_EXHAUSTED",
  [ConnectCode.FailedPrecondition]: "FAILED_PRECONDITION",
  [ConnectCode.Aborted]: "ABORTED",
  [ConnectCode.OutOfRange]: "OUT_OF_RANGE",
  [ConnectCode.Unimplemented]: "UNIMPLEMENTED",
  [ConnectCode.Internal]: "INTERNAL",
  [ConnectCode.Unavailable]: "UNAVAILABLE",
  [ConnectCode.DataLoss]: "DATA_LOSS",
  [ConnectCode.Unauthenticated]: "UNAUTHENTICATED",
};
