"""Makes errors from what gRPC raises and from the `google.rpc.Status` in answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from kvgate.errors import (
    ClosedError,
    DataLossError,
    DeadlineExceededError,
    FailedEntry,
    InvalidArgumentError,
    KvgateError,
    NotSupportedError,
    PermissionDeniedError,
    PutManyFailure,
    ReadOnlyError,
    ResourceExhaustedError,
    StoreNotFoundError,
    UnauthenticatedError,
    UnavailableError,
)
from kvgate.gen.keyvalue.v1 import key_value_service_pb2 as pb

_INDEX = re.compile(r"^entries\[(\d+)\]")
_DETAILS_KEY = "grpc-status-details-bin"

_CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}

_BY_REASON: dict[str | None, type[KvgateError]] = {
    "STORE_NOT_FOUND": StoreNotFoundError,
    "READ_ONLY": ReadOnlyError,
}

_BY_CODE: dict[grpc.StatusCode, type[KvgateError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgumentError,
    grpc.StatusCode.UNIMPLEMENTED: NotSupportedError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhaustedError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
    grpc.StatusCode.DATA_LOSS: DataLossError,
    grpc.StatusCode.UNAUTHENTICATED: UnauthenticatedError,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDeniedError,
}


def from_rpc_error(error: Any) -> KvgateError:
    """Reads what gRPC raised, together with the details that the server sent.

    Its argument is a `grpc.RpcError` that is a `grpc.Call` too, or a `grpc.aio.AioRpcError`:
    gRPC's types have no name for what these two share.
    """
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS_KEY:
            try:
                return from_status(Status.FromString(value), error.code())
            except DecodeError:  # not kvgate's, but of some proxy between
                break
    return from_status(Status(message=error.details() or ""), error.code())


def from_status(status: Status, code: grpc.StatusCode | None = None) -> KvgateError:
    """Reads the error of one entry, in an answer that is none by itself."""
    code = code or _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    info, bad_request, retry = ErrorInfo(), BadRequest(), RetryInfo()
    failure = pb.PutManyFailure()
    for detail in status.details:
        for message in (info, bad_request, retry, failure):
            detail.Unpack(message)

    reason: str | None = info.reason or None
    error = (_BY_REASON.get(reason) or _BY_CODE.get(code) or KvgateError)(
        status.message or code.name,
        code=code,
        reason=reason,
        metadata=info.metadata,
        field=next((violation.field for violation in bad_request.field_violations), None),
        retry_after=(
            retry.retry_delay.ToTimedelta().total_seconds()
            if retry.HasField("retry_delay")
            else None
        ),
    )
    if failure.ByteSize():
        error.put_many = _read_put_many(failure)
    return error


def _read_put_many(failure: pb.PutManyFailure) -> PutManyFailure:
    return PutManyFailure(
        acknowledged=0,
        stored=tuple(_bits(failure.stored_bitmap)),
        uncertain=failure.uncertain,
        first_failures=tuple(
            FailedEntry(failed.index, failed.key, from_status(failed.error))
            for failed in failure.first_failures
        ),
    )


def _bits(bitmap: Iterable[int]) -> Iterator[int]:
    for place, byte in enumerate(bitmap):
        for bit in range(8):
            if byte >> bit & 1:
                yield 8 * place + bit


def after_put_many(error: KvgateError, acknowledged: int = 0) -> KvgateError:
    """Completes the error of a batch that failed after `acknowledged` entries of earlier ones."""
    failure = error.put_many
    if failure is None:
        # An answer of the server that lacks this detail stored nothing of the batch.
        answered = error.reason is not None
        unknown = not answered or isinstance(error, (ClosedError, DeadlineExceededError))
        failure = PutManyFailure(0, (), unknown, ())
    if acknowledged and error.field:
        error.field = _INDEX.sub(
            lambda index: f"entries[{acknowledged + int(index[1])}]", error.field
        )
    error.put_many = replace(
        failure,
        acknowledged=acknowledged,
        stored=tuple(acknowledged + index for index in failure.stored),
        # What the last try did not store, an earlier one may have.
        uncertain=failure.uncertain or error.attempts > 1,
        first_failures=tuple(
            replace(failed, index=acknowledged + failed.index) for failed in failure.first_failures
        ),
    )
    return error


def invalid(reason: str, field: str, message: str) -> InvalidArgumentError:
    """Makes the error of a request that can't be sent, as the server would."""
    return InvalidArgumentError(
        message, code=grpc.StatusCode.INVALID_ARGUMENT, reason=reason, field=field
    )
