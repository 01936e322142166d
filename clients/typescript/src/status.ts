/**
 * What the server, the network or Connect reported, as the error that callers get.
 *
 * The only file that knows both google.rpc's messages and the errors of this package.
 */
import { fromBinary } from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import type { Message } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";

import {
  type ErrorFacts,
  type KvgateError,
  type PutManyFailure,
  codeName,
  makeError,
} from "./errors.js";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "./gen/google/rpc/error_details_pb.js";
import type { Status } from "./gen/google/rpc/status_pb.js";
import {
  type PutManyFailure as FailureMessage,
  PutManyFailureSchema,
} from "./gen/keyvalue/v1/key_value_service_pb.js";

const ERROR_DOMAIN = "kvgate.dev";

/** The error of one key or entry of many. */
export function fromStatus(status: Status): KvgateError {
  const details = status.details.map(({ typeUrl, value }) => ({
    type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
    value,
  }));
  return describe(status.code, status.message, details);
}

/** The error of a call. */
export function fromConnect(error: ConnectError): KvgateError {
  if (error.metadata.has("grpc-status")) {
    return describe(error.code, error.rawMessage, incoming(error));
  }
  const { cause, code, rawMessage } = error;
  if (code === Code.DeadlineExceeded) {
    return makeError("the deadline passed before the server answered", {
      code: "DEADLINE_EXCEEDED",
      reason: "DEADLINE_EXCEEDED",
    });
  }
  if (isOfNetwork(error)) {
    return makeError(`the server can't be reached: ${rawMessage}`, { code: "UNAVAILABLE", cause });
  }
  return makeError(rawMessage, { code: codeName(code), cause });
}

/**
 * Says in an error of a batch what was stored, the `acknowledged` entries of earlier batches
 * included.
 */
export function withPutMany(error: KvgateError, acknowledged: number): KvgateError {
  const { stored, uncertain, firstFailures } = error.putMany ?? unsaid(error);
  const putMany: PutManyFailure = {
    acknowledged,
    stored: stored.map((at) => acknowledged + at),
    uncertain,
    firstFailures: firstFailures.map((each) => ({ ...each, index: acknowledged + each.index })),
  };
  return Object.assign(error, { putMany });
}

interface Detail {
  type: string;
  value: Uint8Array;
}

function incoming(error: ConnectError): Detail[] {
  return error.details.filter((detail): detail is Detail => "type" in detail);
}

function describe(code: number, message: string, details: Detail[]): KvgateError {
  const info = find(details, ErrorInfoSchema);
  const ofKvgate = info?.domain === ERROR_DOMAIN ? info : undefined;
  const delay = find(details, RetryInfoSchema)?.retryDelay;
  const facts: ErrorFacts = {
    code: codeName(code),
    reason: ofKvgate?.reason,
    metadata: ofKvgate?.metadata,
    field: find(details, BadRequestSchema)?.fieldViolations[0]?.field,
    retryAfterMs: delay && durationMs(delay),
    fromServer: true,
  };
  const failure = find(details, PutManyFailureSchema);
  return makeError(message, facts, failure && readFailure(failure));
}

function find<T extends Message>(details: Detail[], schema: GenMessage<T>): T | undefined {
  const detail = details.find(({ type }) => type === schema.typeName);
  return detail && fromBinary(schema, detail.value);
}

// Connect gives what broke below it many codes; callers need one. Its own errors of protocol
// have no cause.
function isOfNetwork({ code, cause }: ConnectError): boolean {
  if (code === Code.Unavailable || code === Code.Aborted || code === Code.Canceled) return true;
  // fetch fails with a TypeError; Node's errors of the system, TLS and HTTP/2 have a code
  return cause instanceof TypeError || (cause instanceof Error && "code" in cause);
}

function readFailure(failure: FailureMessage): PutManyFailure {
  return {
    acknowledged: 0,
    stored: setBits(failure.storedBitmap),
    uncertain: failure.uncertain,
    firstFailures: failure.firstFailures.map(({ index, key, error }) => ({
      index,
      key,
      error: error ? fromStatus(error) : makeError("not said", { code: "UNKNOWN" }),
    })),
  };
}

// The server leaves the details out if nothing of the batch was stored; but who was not
// answered, or too late, can't know.
function unsaid(error: KvgateError): PutManyFailure {
  const uncertain =
    !error.fromServer ||
    error.code === "DEADLINE_EXCEEDED" ||
    error.metadata["outcome"] === "may_have_happened";
  return { acknowledged: 0, stored: [], uncertain, firstFailures: [] };
}

function setBits(bitmap: Uint8Array): number[] {
  const places: number[] = [];
  bitmap.forEach((byte, at) => {
    for (let bit = 0; bit < 8; bit += 1) {
      if ((byte >> bit) & 1) places.push(at * 8 + bit);
    }
  });
  return places;
}
