"""`KvgateStore` as what is written against py-key-value sees it: that library's own wrappers and
adapters over it, unchanged."""

from __future__ import annotations

from collections.abc import AsyncIterator
from importlib.metadata import version

import pytest
from cryptography.fernet import Fernet
from key_value.aio import errors
from key_value.aio.adapters.pydantic import PydanticAdapter
from key_value.aio.protocols.key_value import (
    AsyncCullProtocol,
    AsyncDestroyCollectionProtocol,
    AsyncDestroyStoreProtocol,
    AsyncEnumerateCollectionsProtocol,
    AsyncEnumerateKeysProtocol,
    AsyncKeyValue,
    AsyncKeyValueProtocol,
)
from key_value.aio.stores.memory import MemoryStore
from key_value.aio.wrappers.compression import CompressionWrapper
from key_value.aio.wrappers.encryption import FernetEncryptionWrapper
from key_value.aio.wrappers.passthrough_cache import PassthroughCacheWrapper
from key_value.aio.wrappers.prefix_collections import PrefixCollectionsWrapper
from key_value.aio.wrappers.prefix_keys import PrefixKeysWrapper
from key_value.aio.wrappers.retry import RetryWrapper
from key_value.aio.wrappers.statistics import StatisticsWrapper
from key_value.aio.wrappers.ttl_clamp import TTLClampWrapper
from pydantic import BaseModel

import kvgate
from kvgate.key_value import KvgateStore
from tests.server import CASES, Server


@pytest.fixture
async def store(server: Server) -> AsyncIterator[KvgateStore]:
    async with KvgateStore(server.address) as store:
        yield store
        await store.destroy()


def test_it_has_every_part(server: Server) -> None:
    store = KvgateStore(server.address)
    for protocol in (
        AsyncKeyValueProtocol,
        AsyncCullProtocol,
        AsyncDestroyCollectionProtocol,
        AsyncDestroyStoreProtocol,
        AsyncEnumerateCollectionsProtocol,
        AsyncEnumerateKeysProtocol,
    ):
        assert isinstance(store, protocol)
    checked_by_mypy: AsyncKeyValue = store
    assert checked_by_mypy is store


async def test_one_key(store: KvgateStore) -> None:
    assert await store.get("key") is None
    assert await store.ttl("key") == (None, None)
    await store.put("key", {"n": 1})
    assert await store.get("key") == {"n": 1}
    assert await store.ttl("key") == ({"n": 1}, None)
    await store.put("key", {"n": 2}, collection="other", ttl=60)
    value, ttl = await store.ttl("key", collection="other")
    assert value == {"n": 2}
    assert ttl is not None
    assert 50 < ttl <= 60
    assert await store.delete("key") is True
    assert await store.delete("key") is False
    assert await store.get("key", collection="other") == {"n": 2}


async def test_many_keys(store: KvgateStore) -> None:
    # More than one call may have.
    keys = [f"key-{n}" for n in range(12_000)]
    await store.put_many(keys, [{"n": n} for n in range(12_000)], collection="many")
    found = await store.get_many([*keys, "missing"], collection="many")
    assert found == [*({"n": n} for n in range(12_000)), None]
    found_with_ttl = await store.ttl_many(["missing", *keys], collection="many")
    assert found_with_ttl[:2] == [(None, None), ({"n": 0}, None)]
    assert len(await store.keys("many")) == 12_000
    assert len(await store.keys("many", limit=1_500)) == 1_500
    assert await store.keys("many", limit=0) == []
    assert await store.delete_many([*keys, "missing"], collection="many") == 12_000
    assert await store.get_many([]) == []
    await store.put_many([], [])


async def test_large_values(store: KvgateStore) -> None:
    # Together more than a message may be.
    keys, value = [str(n) for n in range(30)], {"text": "x" * 1_000_000}
    await store.put_many(keys, [value] * 30)
    assert await store.get_many(keys) == [value] * 30
    assert [found for found, _ in await store.ttl_many(keys)] == [value] * 30


async def test_collections(store: KvgateStore) -> None:
    for collection in ("a", "b"):
        await store.put("key", {}, collection=collection)
    assert sorted(await store.collections()) == ["a", "b"]
    assert len(await store.collections(limit=1)) == 1
    assert await store.destroy_collection("a") is True
    assert await store.destroy_collection("a") is False
    await store.cull()
    assert await store.destroy() is True
    assert await store.collections() == []


async def test_the_librarys_wrappers_over_it(store: KvgateStore) -> None:
    stack = StatisticsWrapper(
        PrefixKeysWrapper(
            PrefixCollectionsWrapper(
                TTLClampWrapper(
                    RetryWrapper(
                        CompressionWrapper(
                            FernetEncryptionWrapper(store, fernet=Fernet(Fernet.generate_key())),
                            min_size_to_compress=10,
                        )
                    ),
                    min_ttl=10,
                    max_ttl=100,
                ),
                prefix="app",
            ),
            prefix="user",
        )
    )
    value = {"text": "hello " * 1_000}
    await stack.put("key", value, collection="c", ttl=1_000)
    await stack.put_many(["a", "b"], [value, value], collection="c")
    assert await stack.get_many(["key", "a", "b", "x"], collection="c") == [*[value] * 3, None]
    _, ttl = await stack.ttl("key", collection="c")
    assert ttl is not None
    assert 90 < ttl <= 100
    # It lies in kvgate under the wrappers' names, and only they can read it.
    (collection,) = await store.collections()
    assert "app" in collection
    assert any("user" in key for key in await store.keys(collection))
    stored = await store.get((await store.keys(collection))[0], collection=collection)
    assert "hello" not in str(stored)
    assert await stack.delete_many(["key", "a", "b"], collection="c") == 3


async def test_a_cache_before_it(store: KvgateStore) -> None:
    cache = MemoryStore()
    cached = PassthroughCacheWrapper(primary_key_value=store, cache_key_value=cache)
    await store.put("key", {"n": 1}, ttl=60)
    assert await cached.get("key") == {"n": 1}
    assert await cache.get("key") == {"n": 1}


class User(BaseModel):
    name: str
    age: int


async def test_the_librarys_pydantic_adapter_over_it(store: KvgateStore) -> None:
    users = PydanticAdapter(key_value=store, pydantic_model=User, default_collection="users")
    await users.put("7", User(name="Ada", age=36))
    assert await users.get("7") == User(name="Ada", age=36)
    assert await store.get("7", collection="users") == {"name": "Ada", "age": 36}
    assert await users.get("8") is None


async def test_errors_are_the_librarys(store: KvgateStore, server: Server) -> None:
    with pytest.raises(errors.InvalidKeyError):
        await store.get("")
    with pytest.raises(errors.InvalidKeyError):
        await store.get("key", collection="a\0b")
    for ttl in (0, -1, True, "soon", float("nan")):
        with pytest.raises(errors.InvalidTTLError):
            await store.put("key", {}, ttl=ttl)  # type: ignore[arg-type]
    for value in ({"n": object()}, {"n": float("nan")}):
        with pytest.raises(errors.SerializationError):
            await store.put("key", value)
    with pytest.raises(errors.ValueTooLargeError) as caught:
        await store.put("key", {"text": "x" * 70_000_000})
    assert caught.value.__cause__ is not None
    sealed = KvgateStore(server.address, store="sealed")
    with pytest.raises(errors.ReadOnlyError) as read_only:
        await sealed.put("key", {}, collection="c")
    assert isinstance(read_only.value.__cause__, kvgate.ReadOnlyError)
    with pytest.raises(errors.StoreSetupError):
        await KvgateStore(server.address, store="nowhere").get("key")
    with pytest.raises(ValueError, match="zip"):
        await store.put_many(["a", "b"], [{}])


async def test_a_server_that_is_gone() -> None:
    with Server((CASES / "kvgate.toml").read_text()) as server:
        pass
    async with KvgateStore(server.address) as store:
        with pytest.raises(errors.StoreConnectionError):
            await store.get("key")


async def test_a_client_of_ones_own(server: Server) -> None:
    async with kvgate.AsyncClient(server.address, store="main") as client:
        async with KvgateStore(client, default_collection="mine") as store:
            await store.put("key", {})
        assert await client.collection("mine").delete("key") is True


def test_the_library_is_one_that_the_package_allows() -> None:
    assert version("py-key-value-aio") >= "0.4.4"
