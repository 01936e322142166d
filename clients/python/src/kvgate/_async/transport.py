"""What differs between asyncio and threads; `kvgate._sync.transport` is its twin."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import cycle
from typing import Any, Generic, TypeAlias, TypeVar, cast

import grpc
from grpc import aio

from kvgate._async.early_status import EarlyStatus
from kvgate._status import from_rpc_error
from kvgate.connect import Settings
from kvgate.errors import ClosedError, KvgateError
from kvgate.gen.keyvalue.v1.key_value_service_pb2_grpc import KeyValueServiceStub
from kvgate.gen.keyvalue.v1.store_service_pb2_grpc import StoreServiceStub

T = TypeVar("T")
Q = TypeVar("Q")
A = TypeVar("A")

AnyIterable: TypeAlias = Iterable[T] | AsyncIterable[T]
"""What `for` or `async for` goes through."""

sleep = asyncio.sleep


async def iterate(items: Iterable[T] | AsyncIterable[T]) -> AsyncIterator[T]:
    """Goes through either kind of iterable."""
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


class Connection:
    """One connection, or one to each address that the target's name has."""

    def __init__(self, settings: Settings) -> None:
        tls = settings.target.tls
        if tls is None:
            self.channel = aio.insecure_channel(settings.target.name, options=settings.options)
        else:
            self.channel = aio.secure_channel(
                settings.target.name, tls.credentials(), options=settings.options
            )
        self.key_value = KeyValueServiceStub(self.channel)
        self.stores = StoreServiceStub(self.channel)


class AsyncTransport:
    """The connections of a client, and the calls that are under way."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connections: list[Connection] = []
        self._turns = cycle(self._connections)
        # The calls under way that close() waits for; those that it then cut off.
        self._calls: set[Any] = set()
        self._streams: set[Any] = set()
        self._cut_off: set[Any] = set()
        self._idle = asyncio.Event()
        self.closed = False

    def next_connection(self) -> Connection:
        """The connection whose turn it is; they are made at the first call.

        A client may so be made where no event loop runs yet, such as at the top of a module.
        """
        if self.closed:
            raise ClosedError
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            # An event loop that has ended took its connections with it.
            if self._loop is not None and not self._loop.is_closed():
                raise RuntimeError("the client belongs to another event loop: make one for each")
            self._loop = loop
            self._connections = [
                Connection(self._settings) for _ in range(self._settings.connections)
            ]
            self._turns = cycle(self._connections)
            self._idle = asyncio.Event()
        return next(self._turns)

    async def bearer_token(self) -> str | None:
        """The token of the next call."""
        token = self._settings.token
        if token is None or isinstance(token, str):
            return token
        given = token()
        return await given if inspect.isawaitable(given) else given

    async def invoke(
        self,
        method: Callable[[Connection], aio.UnaryUnaryMultiCallable[Q, A]],
        request: Q,
        timeout: float | None,
        metadata: tuple[tuple[str, str], ...],
    ) -> A:
        """Makes one call."""
        call = method(self.next_connection())(request, timeout=timeout, metadata=metadata)
        with self._registered(call, self._calls), self.errors(call):
            return await call

    @contextmanager
    def under_way(self, call: Any) -> Iterator[None]:
        """Ends a stream that is read in any case; close() does not wait for it."""
        with self._registered(call, self._streams), self.errors(call):
            yield

    @contextmanager
    def bulk(
        self,
        method: Callable[[Connection], aio.StreamStreamMultiCallable[Q, A]],
        timeout: float | None,
        metadata: tuple[tuple[str, str], ...],
    ) -> Iterator[BulkCall[Q, A]]:
        """Makes a call that sends batches and has each acknowledged."""
        call = method(self.next_connection())(timeout=timeout, metadata=metadata)
        with self._registered(call, self._calls):
            yield BulkCall(call, self)

    @contextmanager
    def errors(self, call: Any) -> Iterator[None]:
        """Turns what gRPC raises into the errors of kvgate."""
        try:
            yield
        except grpc.RpcError as error:
            if call in self._cut_off:
                raise ClosedError("the client was closed during the call") from error
            raise from_rpc_error(error) from error
        except asyncio.CancelledError:
            if call in self._cut_off:
                raise ClosedError("the client was closed during the call") from None
            raise

    @contextmanager
    def _registered(self, call: Any, calls: set[Any]) -> Iterator[None]:
        calls.add(call)
        try:
            yield
        finally:
            call.cancel()
            calls.discard(call)
            self._cut_off.discard(call)
            if self.closed and not self._calls:
                self._idle.set()

    async def close(self, grace: float) -> None:
        """Refuses new calls, waits for those under way, and closes the connections."""
        self.closed = True
        if self._loop is not asyncio.get_running_loop():
            return  # never used, or in an event loop that has ended
        if self._calls:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._idle.wait(), grace)
        for call in self._calls | self._streams:
            self._cut_off.add(call)
            call.cancel()
        for connection in self._connections:
            await connection.channel.close()


class BulkCall(Generic[Q, A]):
    """A call whose requests and answers both are streams.

    That the call has failed is said by `receive` alone, after the answers that came before.
    """

    def __init__(self, call: aio.StreamStreamCall[Q, A], transport: AsyncTransport) -> None:
        self._call = call
        self._transport = transport
        self._write_failed = False
        self._early_status = EarlyStatus[A](call)

    async def send(self, request: Q) -> None:
        """Sends a batch."""
        if self._write_failed:
            return
        with self._transport.errors(self._call):
            try:
                await self._call.write(request)
            except asyncio.InvalidStateError:
                pass  # the call is done, and reading says why
            except grpc.RpcError:
                self._write_failed = True

    async def finish(self) -> None:
        """Says that there are no more batches."""
        if not self._write_failed:
            await self._call.done_writing()

    async def receive(self) -> A:
        """Waits for the next answer."""
        with self._transport.errors(self._call):
            if self._write_failed:
                return await self._early_status.read()
            answer = await self._call.read()
        if answer is aio.EOF:
            raise KvgateError("the server ended the stream before it acknowledged every batch")
        return cast("A", answer)

    async def end(self) -> None:
        """Waits until the server has ended the call too, after its last answer."""
        with self._transport.errors(self._call):
            await self._call.read()
