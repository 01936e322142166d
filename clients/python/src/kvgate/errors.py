"""What a call fails with. A missing key is never an error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import grpc


class KvgateError(Exception):
    """A call that failed. Each kind that callers treat differently is a subclass.

    ```python
    try:
        sessions.put("user-7", {"name": "Ada"})
    except kvgate.ReadOnlyError:
        ...
    except kvgate.KvgateError as error:
        log.error("%s", error, extra={"reason": error.reason, **error.metadata})
    ```
    """

    code: grpc.StatusCode
    """The gRPC status code."""
    reason: str | None
    """Why, for programs: a name of the API's `ErrorReason` without its prefix, such as
    `"STORE_NOT_FOUND"`. None if the error isn't kvgate's, such as a connection that broke."""
    metadata: Mapping[str, str]
    """Facts such as `store`, `limit` and `limit_name`; never a value or a secret."""
    field: str | None
    """The request's field that is wrong, such as `"entries[1].key"`."""
    retry_after: float | None
    """In how many seconds the server asks to be called again, if it does."""
    attempts: int
    """How often the call was tried."""
    put_many: PutManyFailure | None
    """What is stored all the same, if it was `put_many` or `stream_put_many` that failed."""

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode = grpc.StatusCode.UNKNOWN,
        reason: str | None = None,
        metadata: Mapping[str, str] | None = None,
        field: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.metadata = dict(metadata or {})
        self.field = field
        self.retry_after = retry_after
        self.attempts = 1
        self.put_many = None


class InvalidArgumentError(KvgateError, ValueError):
    """A name, value, ttl or page size that kvgate doesn't take; see `field`."""


class StoreNotFoundError(KvgateError):
    """No store of that name is configured."""


class NotSupportedError(KvgateError):
    """The store can't do this; see `Store.capabilities`."""


class ReadOnlyError(KvgateError):
    """The store is configured to be read only."""


class UnavailableError(KvgateError):
    """The server or the store's backend can't be reached, even by trying again.

    A write may have taken place.
    """


class ResourceExhaustedError(KvgateError):
    """Too many calls, a full store or too large a message; see `reason`."""


class DeadlineExceededError(KvgateError, TimeoutError):
    """The call's timeout passed first. A write may have taken place."""


class DataLossError(KvgateError):
    """What is stored under the key can't be read as an entry."""


class UnauthenticatedError(KvgateError):
    """The server wants a token or a certificate that it knows."""


class PermissionDeniedError(KvgateError):
    """The server, or the store's backend, doesn't allow it."""


class ClosedError(KvgateError):
    """The client was closed before the call, or during it."""

    def __init__(self, message: str = "the client is closed") -> None:
        super().__init__(message, code=grpc.StatusCode.CANCELLED, reason="CLIENT_CLOSED")


@dataclass(frozen=True)
class FailedEntry:
    """An entry that was not stored."""

    index: int
    """The entry's place among all entries given, from 0."""
    key: str
    """The entry's key; a long one is cut."""
    error: KvgateError
    """Why it was not stored."""


@dataclass(frozen=True)
class PutManyFailure:
    """What is stored of the entries that a failed `put_many` or `stream_put_many` was given."""

    acknowledged: int
    """So many entries, counted from the first one given, belong to batches that are stored as a
    whole. 0 for `put_many`, which is one batch."""
    stored: tuple[int, ...]
    """Which further entries are stored: their places among all entries given, from 0."""
    uncertain: bool
    """Whether entries that are neither acknowledged nor in `stored` may be stored all the same."""
    first_failures: tuple[FailedEntry, ...]
    """The first few entries that failed."""
