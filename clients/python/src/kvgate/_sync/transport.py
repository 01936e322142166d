"""What differs between threads and asyncio; `kvgate._async.transport` is its twin."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import cycle
from queue import SimpleQueue
from threading import Condition
from typing import Any, Generic, TypeVar, cast

import grpc

from kvgate._status import from_rpc_error
from kvgate.connect import Settings
from kvgate.errors import ClosedError, KvgateError
from kvgate.gen.keyvalue.v1.key_value_service_pb2_grpc import KeyValueServiceStub
from kvgate.gen.keyvalue.v1.store_service_pb2_grpc import StoreServiceStub

T = TypeVar("T")
Q = TypeVar("Q")
A = TypeVar("A")

AnyIterable = Iterable[T]
"""What `for` goes through."""

sleep = time.sleep
iterate = iter


class Connection:
    """One connection, or one to each address that the target's name has."""

    def __init__(self, settings: Settings) -> None:
        tls = settings.target.tls
        if tls is None:
            self.channel = grpc.insecure_channel(settings.target.name, options=settings.options)
        else:
            self.channel = grpc.secure_channel(
                settings.target.name, tls.credentials(), options=settings.options
            )
        self.key_value = KeyValueServiceStub(self.channel)
        self.stores = StoreServiceStub(self.channel)


class Transport:
    """The connections of a client, and the calls that are under way."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connections = [Connection(settings) for _ in range(settings.connections)]
        self._turns = cycle(self._connections)
        # How many calls are under way that close() waits for.
        self._calls = 0
        self._idle = Condition()
        self.closed = False

    def next_connection(self) -> Connection:
        """The connection whose turn it is."""
        if self.closed:
            raise ClosedError
        return next(self._turns)

    def bearer_token(self) -> str | None:
        """The token of the next call."""
        token = self._settings.token
        if token is None or isinstance(token, str):
            return token
        given = token()
        if not isinstance(given, str):
            if inspect.iscoroutine(given):
                given.close()
            raise TypeError("the token's function must give a str: only AsyncClient awaits it")
        return given

    def invoke(
        self,
        method: Callable[[Connection], grpc.UnaryUnaryMultiCallable[Q, A]],
        request: Q,
        timeout: float | None,
        metadata: tuple[tuple[str, str], ...],
    ) -> A:
        """Makes one call."""
        with self._counted(), self.errors():
            return method(self.next_connection())(request, timeout=timeout, metadata=metadata)

    @contextmanager
    def under_way(self, call: Any) -> Iterator[None]:
        """Ends the call in any case, and turns what gRPC raises into the errors of kvgate."""
        try:
            with self.errors():
                yield
        finally:
            call.cancel()

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turns what gRPC raises into the errors of kvgate."""
        try:
            yield
        except grpc.RpcError as error:
            read = from_rpc_error(error)
            if self.closed and read.code is grpc.StatusCode.CANCELLED:
                raise ClosedError("the client was closed during the call") from error
            raise read from error
        except ValueError as error:
            # So gRPC says that another thread has closed the channel just now.
            if self.closed and not isinstance(error, KvgateError):
                raise ClosedError from error
            raise

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._idle:
            self._calls += 1
        try:
            yield
        finally:
            with self._idle:
                self._calls -= 1
                if self._calls == 0:
                    self._idle.notify_all()

    @contextmanager
    def bulk(
        self,
        method: Callable[[Connection], grpc.StreamStreamMultiCallable[Q, A]],
        timeout: float | None,
        metadata: tuple[tuple[str, str], ...],
    ) -> Iterator[BulkCall[Q, A]]:
        """Makes a call that sends batches and has each acknowledged."""
        # gRPC takes requests from an iterator, in a thread of its own. The queue lets the caller's
        # iterable be gone through in the caller's thread; None ends it. It is as bounded as the
        # caller keeps the batches that wait for their acknowledgement.
        requests: SimpleQueue[Q | None] = SimpleQueue()
        with self._counted():
            call = method(self.next_connection())(
                iter(requests.get, None), timeout=timeout, metadata=metadata
            )
            try:
                yield BulkCall(call, requests, self)
            finally:
                requests.put(None)
                call.cancel()

    def close(self, grace: float) -> None:
        """Refuses new calls, waits for those under way, and closes the connections."""
        self.closed = True
        with self._idle:
            self._idle.wait_for(lambda: self._calls == 0, timeout=grace)
        for connection in self._connections:
            connection.channel.close()


class BulkCall(Generic[Q, A]):
    """A call whose requests and answers both are streams.

    That the call has failed is said by `receive` alone, after the answers that came before.
    """

    def __init__(self, call: Any, requests: SimpleQueue[Q | None], transport: Transport) -> None:
        self._call = call
        self._requests = requests
        self._transport = transport

    def send(self, request: Q) -> None:
        """Sends a batch."""
        self._requests.put(request)

    def finish(self) -> None:
        """Says that there are no more batches."""
        self._requests.put(None)

    def receive(self) -> A:
        """Waits for the next answer."""
        try:
            with self._transport.errors():
                return cast("A", next(self._call))
        except StopIteration:
            raise KvgateError(
                "the server ended the stream before it acknowledged every batch"
            ) from None

    def end(self) -> None:
        """Waits until the server has ended the call too, after its last answer."""
        with self._transport.errors():
            next(self._call, None)
