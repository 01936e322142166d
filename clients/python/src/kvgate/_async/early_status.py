"""Reads what the server sent before it ended a call to which the client was still writing.

grpc.aio loses it: a write that fails sets the call's status to INTERNAL ("Internal error from
Core"), over the status that has come or before it comes, and then refuses to read the answers that
came before that. See https://github.com/grpc/grpc/issues/36066; without that bug this file isn't
needed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

import grpc
from grpc import aio

T = TypeVar("T")
A = TypeVar("A")

STATUS_WAIT_SECONDS = 1.0
"""How long the status may take to come after the last answer."""
_POLL_SECONDS = 0.01


class EarlyStatus(Generic[A]):
    """Stands between a call and whoever reads from it after a write has failed."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._error: aio.AioRpcError | None = None
        call.add_done_callback(self._remember)

    async def read(self) -> A:
        """The next answer; after the last one raises the status as the server sent it."""
        if self._error is None:
            # Its status comes only when every answer is read, and `call.read` reads no more.
            message = await self._call._cython_call.receive_serialized_message()
            if message is not aio.EOF:
                answer: A = self._call._response_deserializer(message)
                return answer
        for _ in range(int(STATUS_WAIT_SECONDS / _POLL_SECONDS)):
            self._remember(self._call)
            if self._error is not None:
                raise self._error
            await asyncio.sleep(_POLL_SECONDS)
        return await self._call.read()  # type: ignore[no-any-return] # raises what is known

    def _remember(self, call: Any) -> None:
        error = aio.AioRpcError(
            _known(call.code()),
            aio.Metadata(),
            _known(call.trailing_metadata()) or aio.Metadata(),
            _known(call.details()),
        )
        is_made_up = (
            error.code() is grpc.StatusCode.INTERNAL
            and error.details() == "Internal error from Core"
        )
        if self._error is None and error.code() is not grpc.StatusCode.OK and not is_made_up:
            self._error = error


def _known(answer: Coroutine[Any, Any, T]) -> T:
    """What a call that is done says at once: its callbacks can't wait."""
    try:
        answer.send(None)
    except StopIteration as stop:
        value: T = stop.value
        return value
    answer.close()
    raise RuntimeError("the call is not done")
