"""Deadlines, metadata, closing, and a server that goes and comes back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import kvgate
from tests.both import AnyClient, AnyCollection, settle
from tests.server import CASES, Server
from tests.stub import Stub


@pytest.fixture
def stub() -> Iterator[Stub]:
    with Stub() as stub:
        yield stub


async def test_a_deadline_ends_the_call(stub: Stub, client_class: type[AnyClient]) -> None:
    stub.proceed.clear()
    client = client_class(stub.address, timeout=0.2)
    with pytest.raises(kvgate.DeadlineExceededError) as caught:
        await settle(client.collection().put_many({"a": {}}))
    assert caught.value.code.name == "DEADLINE_EXCEEDED"
    assert caught.value.put_many is not None
    assert caught.value.put_many.uncertain
    await settle(client.close())


async def test_a_collection_with_a_deadline_of_its_own(
    stub: Stub, client_class: type[AnyClient]
) -> None:
    stub.proceed.clear()
    client = client_class(stub.address)
    hurried = client.collection().with_options(timeout=0.2)
    with pytest.raises(kvgate.DeadlineExceededError):
        await settle(hurried.get("key"))
    with pytest.raises(kvgate.DeadlineExceededError):
        await settle(hurried.stream_put_many({"a": {}}))
    await settle(client.close(grace=0))


async def test_metadata_and_trace_are_passed_on(stub: Stub, client_class: type[AnyClient]) -> None:
    client = client_class(stub.address, token="secret")
    collection = client.collection().with_options(metadata={"x-request": "7"})
    assert collection.name == ""
    tracer = TracerProvider().get_tracer("test")
    with tracer.start_as_current_span("span") as span:
        await settle(collection.get("key"))
    await settle(collection.stream_put_many({"a": {}}))
    (_, of_get), (_, of_load) = stub.calls
    trace_id = trace.format_trace_id(span.get_span_context().trace_id)
    assert trace_id in of_get["traceparent"]
    assert "traceparent" not in of_load
    for metadata in (of_get, of_load):
        assert metadata["x-request"] == "7"
        assert metadata["authorization"] == "Bearer secret"
        assert metadata["user-agent"].startswith(f"kvgate-python/{kvgate.__version__} ")
    assert "secret" not in repr(client) + repr(collection) + repr(vars(client))
    await settle(client.close())


async def test_a_closed_client_refuses_calls(client_class: type[AnyClient], server: Server) -> None:
    client = client_class(server.address)
    collection = client.collection()
    await settle(collection.get("key"))
    await settle(client.close())
    await settle(client.close())
    with pytest.raises(kvgate.ClosedError):
        await settle(collection.get("key"))
    with pytest.raises(kvgate.ClosedError):
        await settle(collection.stream_put_many({"a": {}}))


async def test_closing_waits_for_calls(stub: Stub, client_class: type[AnyClient]) -> None:
    stub.proceed.clear()
    client = client_class(stub.address)
    call = start(client.collection())
    await asyncio.to_thread(stub.started.wait, 30)
    closing = (
        asyncio.ensure_future(asyncio.to_thread(client.close, 30))
        if isinstance(client, kvgate.Client)
        else asyncio.ensure_future(client.close(30))
    )
    await asyncio.sleep(0.05)
    stub.proceed.set()
    assert await call == {}
    await closing


async def test_closing_ends_calls_that_take_too_long(
    stub: Stub, client_class: type[AnyClient]
) -> None:
    stub.proceed.clear()
    client = client_class(stub.address)
    call = start(client.collection())
    await asyncio.to_thread(stub.started.wait, 30)
    await settle(client.close(grace=0.05))
    with pytest.raises(kvgate.ClosedError):
        await call


def start(collection: AnyCollection) -> asyncio.Future[object]:
    """Starts a call, in a thread if it blocks."""
    if isinstance(collection, kvgate.Collection):
        return asyncio.ensure_future(asyncio.to_thread(collection.get, "key"))
    return asyncio.ensure_future(collection.get("key"))


async def test_cancelling_a_task_is_no_error_of_kvgate(stub: Stub) -> None:
    stub.proceed.clear()
    async with kvgate.AsyncClient(stub.address) as client:
        call = start(client.collection())
        await asyncio.to_thread(stub.started.wait, 30)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call


async def test_a_server_that_comes_back(client_class: type[AnyClient]) -> None:
    with Server((CASES / "kvgate.toml").read_text()) as server:
        client = client_class(server.address)
        collection = client.collection()
        await settle(collection.put("key", {}))
        server.stop()
        with pytest.raises(kvgate.UnavailableError):
            await settle(collection.get("key"))
        server.start()
        for _ in range(300):
            try:
                assert await settle(collection.get("key")) is None
                break
            except kvgate.UnavailableError:
                await asyncio.sleep(0.1)
        else:
            pytest.fail("the client did not find the server again")
        await settle(client.close())


async def test_all_addresses_of_a_name_get_calls(client_class: type[AnyClient]) -> None:
    with Stub() as one, Stub() as other:
        client = client_class(f"ipv4:{one.address},{other.address}")
        # The second connection may come a moment after the first.
        for _ in range(3_000):
            await settle(client.collection().get("key"))
            if one.calls and other.calls:
                break
        one.calls.clear()
        other.calls.clear()
        for _ in range(10):
            await settle(client.collection().get("key"))
        assert (len(one.calls), len(other.calls)) == (5, 5)
        await settle(client.close())


def test_a_client_made_before_its_event_loop_and_used_in_two(server: Server) -> None:
    client = kvgate.AsyncClient(server.address)
    for _ in range(2):
        assert asyncio.run(client.collection("loops").delete("key")) is False


def test_threads_share_a_client(server: Server) -> None:
    with kvgate.Client(server.address, connections=2) as client:
        collection = client.collection("shared")

        def work(thread: int) -> None:
            for n in range(50):
                collection.put(f"{thread}-{n}", {"n": n})

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(list(collection.list_keys())) == 400
