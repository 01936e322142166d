"""What calls take and give beyond the cases that all languages share."""

from __future__ import annotations

import math
import pickle
from datetime import datetime, timedelta, timezone
from types import MappingProxyType

import pytest

import kvgate
from tests.both import AnyClient, gather, settle


async def test_an_entry_has_its_times(client: AnyClient) -> None:
    collection = client.collection("times")
    before = datetime.now(timezone.utc)
    await settle(collection.put("key", '{"secret": 1.0}', ttl=timedelta(minutes=1)))
    entry = await settle(collection.get_entry("key"))
    assert entry is not None
    assert entry.text == '{"secret": 1.0}'
    assert entry.value == {"secret": 1.0}
    assert entry.created_at is not None
    assert entry.expires_at is not None
    assert abs(entry.created_at - before) < timedelta(seconds=10)
    assert entry.expires_at - entry.created_at == timedelta(minutes=1)
    assert "secret" not in repr(entry)
    assert await settle(collection.get_entry("missing")) is None
    assert await settle(collection.get_text("missing")) is None


async def test_value_and_ttl_in_one_call(client: AnyClient) -> None:
    collection = client.collection("value-and-ttl")
    await settle(collection.put("key", {"n": 1}))
    assert await settle(collection.get_with_ttl("key")) == ({"n": 1}, math.inf)
    assert await settle(collection.get_with_ttl("missing")) == (None, None)
    found = await settle(collection.get_many_with_ttl(["missing", "key"]))
    assert found == [(None, None), ({"n": 1}, math.inf)]


async def test_what_ttl_says_put_takes(client: AnyClient) -> None:
    collection = client.collection("ttl-again")
    await settle(collection.put("key", {}, ttl=math.inf))
    assert await settle(collection.ttl("key")) == math.inf


@pytest.mark.parametrize("put", ["put_many", "stream_put_many"])
async def test_an_entry_for_ever_among_others(client: AnyClient, put: str) -> None:
    collection = client.collection(f"ttl-{put}")
    entries: list[kvgate.EntryToPut] = [("own", {}, 10), ("ever", {}, math.inf), ("none", {})]
    await settle(getattr(collection, put)([*entries, ("other", {}, None)], ttl=100))
    own, ever, none, other = await settle(collection.ttl_many(["own", "ever", "none", "other"]))
    assert ever == math.inf
    for found, most in ((own, 10), (none, 100), (other, 100)):
        assert found is not None
        assert most - 10 < found <= most


async def test_results_have_keys(client: AnyClient) -> None:
    collection = client.collection("results")
    await settle(collection.put_many({"a": {"n": 1}}))
    missing, found = await settle(collection.get_results(["b", "a"]))
    assert (missing.key, missing.entry, missing.error, missing.value) == ("b", None, None, None)
    assert (found.key, found.value) == ("a", {"n": 1})


@pytest.mark.parametrize("value", [{"n": float("nan")}, {"n": float("inf")}, {"t": "\ud800"}, ""])
async def test_values_that_are_no_json(client: AnyClient, value: kvgate.Value) -> None:
    with pytest.raises(kvgate.InvalidArgumentError) as caught:
        await settle(client.collection("no-json").put("key", value))
    assert (caught.value.reason, caught.value.field) == ("INVALID_VALUE", "value")
    assert caught.value.code.name == "INVALID_ARGUMENT"
    assert isinstance(caught.value, ValueError)


async def test_values_that_are_no_values(client: AnyClient) -> None:
    collection = client.collection("no-values")
    for value in ([1], 1, None, {"n": object()}):
        with pytest.raises(TypeError):
            await settle(collection.put("key", value))  # type: ignore[arg-type]
    await settle(collection.put("key", MappingProxyType({"n": 1})))
    assert await settle(collection.get("key")) == {"n": 1}


async def test_names_that_are_no_names(client: AnyClient) -> None:
    collection = client.collection("no-names")
    for call in (collection.get, collection.delete, collection.ttl):
        with pytest.raises(TypeError):
            await settle(call(7))  # type: ignore[arg-type]
        with pytest.raises(kvgate.InvalidArgumentError):
            await settle(call("\ud800"))
    for many in (collection.get_many, collection.delete_many, collection.ttl_many):
        with pytest.raises(TypeError, match="not one str"):
            await settle(many("key"))
    with pytest.raises(TypeError, match="not one str"):
        await gather(collection.stream_get_many("key"))


@pytest.mark.parametrize("ttl", [0, -1, 1e-10, math.nan, -math.inf, 1e30, timedelta(0)])
async def test_ttls_that_are_no_ttls(client: AnyClient, ttl: kvgate.Ttl) -> None:
    with pytest.raises(kvgate.InvalidArgumentError) as caught:
        await settle(client.collection("no-ttls").put("key", {}, ttl=ttl))
    assert (caught.value.reason, caught.value.field) == ("INVALID_TTL", "ttl")


async def test_stores(client: AnyClient) -> None:
    stores = await settle(client.list_stores())
    assert [store.name for store in stores] == ["main", "sealed"]
    assert [store.is_default for store in stores] == [True, False]
    main = await settle(client.get_store())
    assert main == stores[0] or main.description != stores[0].description
    assert (main.type, main.stability) == ("memory", "NOT_APPLICABLE")
    assert main.capabilities.list_keys
    assert not main.capabilities.persistent


async def test_destroying_a_store_wants_its_name(client: AnyClient) -> None:
    with pytest.raises(kvgate.InvalidArgumentError):
        await settle(client.destroy_store(""))
    with pytest.raises(kvgate.ReadOnlyError):
        await settle(client.destroy_store("sealed"))


async def test_the_store_of_a_client(client: AnyClient, client_class: type[AnyClient]) -> None:
    other = client_class(client._address, store="sealed")
    with pytest.raises(kvgate.ReadOnlyError):
        await settle(other.collection("c").put("key", {}))
    await settle(other.collection("c", store="main").put("key", {}))
    assert (await settle(other.get_store())).name == "sealed"
    assert await gather(other.list_collections()) == []
    await settle(other.close())


async def test_several_connections(client: AnyClient, client_class: type[AnyClient]) -> None:
    other = client_class(client._address, connections=3)
    for n in range(6):
        await settle(other.collection("connections").put(str(n), {}))
    assert len(await gather(other.collection("connections").list_keys())) == 6
    await settle(other.close())


def test_errors_can_be_pickled() -> None:
    error = kvgate.ReadOnlyError("message", reason="READ_ONLY", metadata={"store": "main"})
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kvgate.ReadOnlyError
    assert (str(copy), copy.reason, copy.metadata) == ("message", "READ_ONLY", {"store": "main"})


def test_timeouts_are_timeouts() -> None:
    assert issubclass(kvgate.DeadlineExceededError, TimeoutError)
    assert issubclass(kvgate.InvalidArgumentError, ValueError)
