# Made from kvgate/_async by unasync.py: edit that.
"""Makes calls with what belongs to each: deadline, metadata, and more tries where that is safe."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from kvgate._retry import pause_before_retry
from kvgate._sync.transport import BulkCall, Connection, Transport, sleep
from kvgate._trace import trace_headers
from kvgate.connect import checked_token
from kvgate.errors import KvgateError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import grpc

Q = TypeVar("Q")
A = TypeVar("A")


@dataclass(frozen=True)
class Calls:
    """Makes the calls of a client, or of one of its collections."""

    transport: Transport
    attempts_max: int
    timeout: float | None
    stream_timeout: float | None = None
    metadata: tuple[tuple[str, str], ...] = ()

    def unary(
        self,
        method: Callable[[Connection], grpc.UnaryUnaryMultiCallable[Q, A]],
        request: Q,
    ) -> A:
        """Makes a call that may be repeated."""
        tries = _Tries(self.attempts_max, self.timeout)
        while True:
            metadata = self._metadata()
            try:
                return self.transport.invoke(method, request, tries.time_left(), metadata)
            except KvgateError as error:
                sleep(tries.pause_after(error))

    def stream(
        self,
        method: Callable[[Connection], grpc.UnaryStreamMultiCallable[Q, A]],
        request: Q,
    ) -> Generator[A, None, None]:
        """Makes a call that answers with a stream, which is repeated only before its first answer.

        The call ends when the caller is done with the stream, whatever is left of it.
        """
        tries = _Tries(self.attempts_max, self.stream_timeout)
        answered = False
        while True:
            call = method(self.transport.next_connection())(
                request, timeout=tries.time_left(), metadata=self._metadata()
            )
            try:
                with self.transport.under_way(call):
                    for answer in call:
                        answered = True
                        yield answer
                    return
            except KvgateError as error:
                if answered:
                    raise
                sleep(tries.pause_after(error))

    def bulk(
        self,
        method: Callable[[Connection], grpc.StreamStreamMultiCallable[Q, A]],
    ) -> AbstractContextManager[BulkCall[Q, A]]:
        """Makes a call that sends batches. It is never repeated."""
        return self.transport.bulk(method, self.stream_timeout, self._metadata())

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        metadata = [*self.metadata, *trace_headers().items()]
        token = self.transport.bearer_token()
        if token is not None:
            metadata.append(("authorization", f"Bearer {checked_token(token)}"))
        return tuple(metadata)


class _Tries:
    """The tries of one call, which share its deadline."""

    def __init__(self, attempts_max: int, timeout: float | None) -> None:
        self._attempts_max = attempts_max
        self._attempts = 0
        self._deadline = None if timeout is None else time.monotonic() + timeout

    def time_left(self) -> float | None:
        return None if self._deadline is None else max(self._deadline - time.monotonic(), 0.0)

    def pause_after(self, error: KvgateError) -> float:
        """How long to wait before the next try; raises the error if there is to be none."""
        self._attempts += 1
        error.attempts = self._attempts
        pause = pause_before_retry(error, self._attempts_max)
        left = self.time_left()
        if pause is None or (left is not None and pause >= left):
            raise error
        return pause
