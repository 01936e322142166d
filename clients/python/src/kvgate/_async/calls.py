"""Makes calls with what belongs to each: deadline, metadata, and more tries where that is safe."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from kvgate._async.transport import AsyncTransport, BulkCall, Connection, sleep
from kvgate._retry import pause_before_retry
from kvgate._trace import trace_headers
from kvgate.connect import checked_token
from kvgate.errors import KvgateError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from grpc import aio

Q = TypeVar("Q")
A = TypeVar("A")


@dataclass(frozen=True)
class AsyncCalls:
    """Makes the calls of a client, or of one of its collections."""

    transport: AsyncTransport
    attempts_max: int
    timeout: float | None
    stream_timeout: float | None = None
    metadata: tuple[tuple[str, str], ...] = ()

    async def unary(
        self,
        method: Callable[[Connection], aio.UnaryUnaryMultiCallable[Q, A]],
        request: Q,
    ) -> A:
        """Makes a call that may be repeated."""
        tries = _Tries(self.attempts_max, self.timeout)
        while True:
            metadata = await self._metadata()
            try:
                return await self.transport.invoke(method, request, tries.time_left(), metadata)
            except KvgateError as error:
                await sleep(tries.pause_after(error))

    async def stream(
        self,
        method: Callable[[Connection], aio.UnaryStreamMultiCallable[Q, A]],
        request: Q,
    ) -> AsyncGenerator[A, None]:
        """Makes a call that answers with a stream, which is repeated only before its first answer.

        The call ends when the caller is done with the stream, whatever is left of it.
        """
        tries = _Tries(self.attempts_max, self.stream_timeout)
        answered = False
        while True:
            call = method(self.transport.next_connection())(
                request, timeout=tries.time_left(), metadata=await self._metadata()
            )
            try:
                with self.transport.under_way(call):
                    async for answer in call:
                        answered = True
                        yield answer
                    return
            except KvgateError as error:
                if answered:
                    raise
                await sleep(tries.pause_after(error))

    async def bulk(
        self,
        method: Callable[[Connection], aio.StreamStreamMultiCallable[Q, A]],
    ) -> AbstractContextManager[BulkCall[Q, A]]:
        """Makes a call that sends batches. It is never repeated."""
        return self.transport.bulk(method, self.stream_timeout, await self._metadata())

    async def _metadata(self) -> tuple[tuple[str, str], ...]:
        metadata = [*self.metadata, *trace_headers().items()]
        token = await self.transport.bearer_token()
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
