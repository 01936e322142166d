"""The cases that the clients of all languages must pass, through the public calls of both."""

from __future__ import annotations

import json
import math
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

import kvgate
from tests.both import AnyClient, AnyCollection, gather, settle
from tests.server import CASES, Server

ALL = json.loads((CASES / "cases.json").read_text())


@pytest.fixture
async def client(client_class: type[AnyClient]) -> AsyncIterator[AnyClient]:
    """A client of a server that nobody else uses: `cull` counts what other cases leave behind."""
    with Server((CASES / "kvgate.toml").read_text()) as server:
        client = client_class(server.address)
        yield client
        await settle(client.close())


@pytest.mark.parametrize("case", ALL, ids=[case["name"] for case in ALL])
async def test_case(case: dict[str, Any], client: AnyClient) -> None:
    name = case["name"]
    for step in case["steps"]:
        step = filled_in(step, name)
        collection = client.collection(name, store=step.get("store"))
        if "error" in step:
            with pytest.raises(kvgate.KvgateError) as caught:
                await make_call(client, collection, step)
            check_error(caught.value, step["error"])
        else:
            answer = await make_call(client, collection, step)
            if "expect" in step:
                check_answer(step["call"], answer, step["expect"])


async def make_call(client: AnyClient, collection: AnyCollection, step: dict[str, Any]) -> Any:
    match step["call"]:
        case "put":
            value = step["text"] if "text" in step else step["value"]
            return await settle(collection.put(step["key"], value, ttl=step.get("ttl")))
        case "get" if step.get("raw"):
            return await settle(collection.get_text(step["key"]))
        case "get" | "delete" | "ttl" as call:
            return await settle(getattr(collection, call)(step["key"]))
        case "get_many" | "delete_many" | "ttl_many" as call:
            return await settle(getattr(collection, call)(keys_of(step["keys"])))
        case "stream_get_many":
            results = await gather(collection.stream_get_many(keys_of(step["keys"])))
            return [result.value for result in results]
        case "put_many" | "stream_put_many" as call:
            entries = entries_of(step["entries"])
            return await settle(getattr(collection, call)(entries, ttl=step.get("ttl")))
        case "list_keys":
            keys = collection.list_keys(step.get("prefix", ""), page_size=step.get("page_size", 0))
            return sorted(await gather(keys))
        case "list_collections":
            collections = client.list_collections(step.get("prefix", ""), store=collection.store)
            return sorted(await gather(collections))
        case "scan":
            results = await gather(collection.scan(step.get("prefix", "")))
            return {result.key: result.value for result in results}
        case "delete_collection":
            return await settle(collection.delete_collection())
        case "store_type":
            return (await settle(client.get_store(step["store"]))).type
        case "cull":
            return await settle(client.cull(step["store"]))
        case call:
            raise AssertionError(f"the case has an unknown call: {call}")


def check_answer(call: str, answer: Any, expected: Any) -> None:
    if isinstance(expected, dict) and "repeat" in expected:
        entries = entries_of(expected)
        match call:
            case "list_keys":
                expected = sorted(key for key, _ in entries)
            case "scan":
                expected = dict(entries)
            case _:
                expected = [value for _, value in entries]
    match call:
        case "ttl":
            check_ttl(answer, expected)
        case "ttl_many":
            assert len(answer) == len(expected)
            for ttl, ttl_expected in zip(answer, expected, strict=True):
                check_ttl(ttl, ttl_expected)
        case _:
            assert answer == expected


def check_ttl(ttl: float | None, expected: Any) -> None:
    match expected:
        case "missing":
            assert ttl is None
        case "forever":
            assert ttl == math.inf
        case [low, high]:
            assert ttl is not None
            assert low < ttl <= high
        case _:
            raise AssertionError(f"the case has an unknown ttl: {expected}")


def check_error(error: kvgate.KvgateError, expected: dict[str, Any]) -> None:
    assert error.code.name == expected["code"]
    assert error.reason == expected["reason"]
    if "field" in expected:
        assert error.field == expected["field"]
    assert {**error.metadata, **expected.get("metadata", {})} == error.metadata
    assert type(error) is not kvgate.KvgateError, "every error of the cases has a class of its own"


def keys_of(keys: Any) -> list[str]:
    if isinstance(keys, dict):
        return [key for key, _ in entries_of(keys)]
    return list(keys)


def entries_of(entries: Any) -> list[Any]:
    if isinstance(entries, dict):
        repeat = entries["repeat"]
        return [
            (repeat["key"].replace("{n}", str(n)), numbered(repeat["value"], n))
            for n in range(repeat["count"])
        ]
    return [tuple(entry) for entry in entries]


def numbered(value: Any, n: int) -> Any:
    return {name: n if member == "{n}" else member for name, member in value.items()}


def filled_in(step: Any, collection: str) -> Any:
    text = json.dumps(step)
    return json.loads(re.sub(r"\{collection\}", collection, text))
