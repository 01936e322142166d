"""A server that fails as a test wants it to: faults that a healthy kvgate doesn't show."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from kvgate.gen.keyvalue.v1 import entry_pb2
from kvgate.gen.keyvalue.v1 import key_value_service_pb2 as pb
from kvgate.gen.keyvalue.v1.key_value_service_pb2_grpc import (
    KeyValueServiceServicer,
    add_KeyValueServiceServicer_to_server,
)

# Its types want every method; what no test calls may stay unimplemented.
if TYPE_CHECKING:
    _Servicer = object
else:
    _Servicer = KeyValueServiceServicer


class Stub(_Servicer):
    """Fails with what is in `failures`, one a call, and answers when none are left."""

    def __init__(self) -> None:
        self.failures: list[Callable[[Any], None]] = []
        self.calls: list[tuple[Any, dict[str, Any]]] = []
        self.cancelled = threading.Event()
        self.proceed = threading.Event()
        self.proceed.set()
        self.started = threading.Event()
        self._server = grpc.server(ThreadPoolExecutor(8))
        add_KeyValueServiceServicer_to_server(cast("Any", self), self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> Stub:
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.proceed.set()
        self._server.stop(None).wait()

    def _call(self, request: Any, context: Any) -> None:
        self.calls.append((request, dict(context.invocation_metadata())))
        self.started.set()
        self.proceed.wait(30)
        if self.failures:
            self.failures.pop(0)(context)

    def Get(self, request: Any, context: Any) -> Any:
        self._call(request, context)
        return pb.GetResponse(entry=entry_pb2.Entry(key=request.key, value=b"{}"))

    def PutMany(self, request: Any, context: Any) -> Any:
        self._call(request, context)
        return pb.PutManyResponse()

    def ScanEntries(self, request: Any, context: Any) -> Iterator[Any]:
        self._call(request, context)
        context.add_callback(self.cancelled.set)
        n = 0
        while context.is_active():
            entries = [entry_pb2.Entry(key=str(n), value=b"{}")] * 100
            yield pb.ScanEntriesResponse(entries=entries)
            n += 1

    def StreamPutMany(self, requests: Any, context: Any) -> Iterator[Any]:
        for request in requests:
            self._call(request, context)
            yield pb.StreamPutManyResponse(stored=len(request.entries))


def failure(
    code: grpc.StatusCode,
    reason: str | None = None,
    retry_after: float | None = None,
    *details: Any,
) -> Callable[[Any], None]:
    """A way to fail as kvgate does."""
    messages = [*details]
    if reason is not None:
        messages.append(ErrorInfo(reason=reason, domain="kvgate.dev"))
    if retry_after is not None:
        delay = Duration()
        delay.FromNanoseconds(int(retry_after * 1e9))
        messages.append(RetryInfo(retry_delay=delay))
    packed = []
    for message in messages:
        packed.append(AnyMessage())
        packed[-1].Pack(message)
    status = Status(code=code.value[0], message="made to fail", details=packed)

    def fail(context: Any) -> None:
        context.set_trailing_metadata([("grpc-status-details-bin", status.SerializeToString())])
        context.abort(code, "made to fail")

    return fail
