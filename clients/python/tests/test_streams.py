"""Streams of more than fits in memory or in a message, and what is left of them."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

import kvgate
from tests.both import AnyClient, first, gather, settle
from tests.server import Server
from tests.stub import Stub

MANY = 20_000


def entries(count: int = MANY) -> Iterator[tuple[str, dict[str, int]]]:
    return ((f"key-{n}", {"n": n}) for n in range(count))


async def test_many_go_and_come(client: AnyClient) -> None:
    collection = client.collection(f"many-{type(client).__name__}")
    told: list[int] = []
    assert await settle(collection.stream_put_many(entries(), on_stored=told.append)) == MANY
    assert told == list(range(1_000, MANY + 1, 1_000))
    results = await gather(collection.stream_get_many(key for key, _ in entries()))
    assert [result.value for result in results] == [value for _, value in entries()]
    assert {result.key for result in await gather(collection.scan())} == {k for k, _ in entries()}


async def test_large_values_go_in_small_batches(client: AnyClient) -> None:
    collection = client.collection(f"large-{type(client).__name__}")
    value = {"text": "x" * 700_000}
    told: list[int] = []
    stored = await settle(
        collection.stream_put_many(((str(n), value) for n in range(9)), on_stored=told.append)
    )
    assert stored == 9
    assert told == list(range(1, 10))
    assert [result.value for result in await gather(collection.scan())] == [value] * 9


async def test_a_mapping_and_ttls_of_their_own(client: AnyClient) -> None:
    collection = client.collection(f"kinds-{type(client).__name__}")
    mapping: dict[str, kvgate.Value] = {"a": {}, "b": "{ }"}
    assert await settle(collection.stream_put_many(mapping, ttl=60)) == 2
    assert await settle(collection.stream_put_many([("c", {}, 30), ("d", {}, None)], ttl=60)) == 2
    ttls = await settle(collection.ttl_many("abcd"[n] for n in range(4)))
    assert [round(ttl or 0) for ttl in ttls] == [60, 60, 30, 60]


async def test_an_asynchronous_source(server: Server) -> None:
    async def source() -> AsyncIterator[tuple[str, dict[str, int]]]:
        for entry in entries(2_500):
            await asyncio.sleep(0)
            yield entry

    async def keys() -> AsyncIterator[str]:
        for key, _ in entries(2_500):
            yield key

    async with kvgate.AsyncClient(server.address) as client:
        collection = client.collection("asynchronous")
        assert await collection.stream_put_many(source()) == 2_500
        results = [result async for result in collection.stream_get_many(keys())]
        assert [result.value for result in results] == [{"n": n} for n in range(2_500)]


async def test_a_source_that_fails_ends_the_load(client: AnyClient) -> None:
    def source() -> Iterator[tuple[str, dict[str, int]]]:
        yield from entries(5_000)
        raise LookupError("the source failed")

    collection = client.collection(f"source-{type(client).__name__}")
    with pytest.raises(LookupError, match="the source failed"):
        await settle(collection.stream_put_many(source()))
    await settle(collection.put("key", {}))


async def test_a_bad_entry_says_where_it_stands(client: AnyClient) -> None:
    collection = client.collection(f"bad-{type(client).__name__}")
    good: list[kvgate.EntryToPut] = [(f"key-{n}", {}) for n in range(3_000)]
    with pytest.raises(kvgate.InvalidArgumentError) as caught:
        await settle(collection.stream_put_many([*good, ("", {})]))
    assert caught.value.field == "entries[3000].key"
    assert caught.value.put_many is not None
    assert caught.value.put_many.acknowledged == 3_000
    assert not caught.value.put_many.uncertain

    with pytest.raises(kvgate.InvalidArgumentError) as caught:
        await settle(collection.stream_put_many([*good, ("key", {"n": float("nan")})]))
    assert caught.value.field == "entries[3000].value"


async def test_the_status_of_a_load_that_ends_early(client: AnyClient) -> None:
    # The server answers while the client still writes: grpc.aio would lose its status.
    collection = client.collection(store="sealed")
    for _ in range(20):
        with pytest.raises(kvgate.ReadOnlyError) as caught:
            await settle(collection.stream_put_many((k, {"t": "x" * 2_000}) for k, _ in entries()))
        assert caught.value.put_many is not None
        assert caught.value.put_many.acknowledged == 0
        assert not caught.value.put_many.uncertain


async def test_a_stream_left_early_ends_on_the_server(client_class: type[AnyClient]) -> None:
    with Stub() as stub:
        client = client_class(stub.address)
        await first(client.collection().scan())
        gc.collect()
        await asyncio.to_thread(stub.cancelled.wait, 30)
        assert stub.cancelled.is_set()
        await settle(client.close())


async def test_a_cancelled_task_ends_its_stream_on_the_server() -> None:
    with Stub() as stub:
        async with kvgate.AsyncClient(stub.address) as client:
            got = asyncio.Event()

            async def read() -> None:
                async for _ in client.collection().scan():
                    got.set()
                    await asyncio.sleep(0)

            task = asyncio.create_task(read())
            await got.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.to_thread(stub.cancelled.wait, 30)
            assert stub.cancelled.is_set()


def test_a_bulk_load_leaves_no_thread(server: Server) -> None:
    with kvgate.Client(server.address) as client:
        client.collection("threads").put("key", {})
        before = threading.active_count()
        for _ in range(10):
            with pytest.raises(kvgate.ReadOnlyError):
                client.collection(store="sealed").stream_put_many(entries(100))
            client.collection("threads").stream_put_many(entries(100))
    settled = threading.Event()
    for _ in range(300):
        if threading.active_count() <= before:
            break
        settled.wait(0.1)
    assert threading.active_count() <= before
