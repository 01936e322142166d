"""The entries of one collection."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from kvgate._async.calls import AsyncCalls
from kvgate._async.load import AsyncLoad
from kvgate._async.transport import AnyIterable, iterate
from kvgate._requests import (
    BATCH_BYTES_MAX,
    Batch,
    checked_keys,
    checked_name,
    encode_entry,
    encode_ttl,
    encode_value,
    pairs,
)
from kvgate._status import after_put_many, from_status
from kvgate.connect import checked_metadata
from kvgate.entries import Entry, EntryToPut, Result, Ttl, Value
from kvgate.errors import KvgateError
from kvgate.gen.keyvalue.v1 import key_value_service_pb2 as pb
from kvgate.gen.keyvalue.v1 import store_service_pb2 as store_pb


class AsyncCollection:
    """The entries of one collection of one store.

    ```python
    sessions = client.collection("sessions")
    await sessions.put("user-7", {"name": "Ada"}, ttl=3600)
    await sessions.get("user-7")  # {'name': 'Ada'}
    await sessions.get("user-8")  # None
    ```

    All calls but `stream_put_many` are tried again if the server or the store's backend can't be
    reached. They may so have happened twice, which makes a difference to `delete` alone: it says
    False if the first try removed the entry and its answer was lost.
    """

    def __init__(self, calls: AsyncCalls, name: str, store: str) -> None:
        self._calls = calls
        self._store = checked_name(store, "STORE_NOT_FOUND", "store")
        self._name = checked_name(name, "INVALID_COLLECTION", "collection")

    @property
    def name(self) -> str:
        """The collection's name; empty for the store's default collection."""
        return self._name

    @property
    def store(self) -> str:
        """The store's name; empty for the server's default store."""
        return self._store

    def __repr__(self) -> str:
        return f"AsyncCollection({self._name!r}, store={self._store!r})"

    def with_options(
        self,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> AsyncCollection:
        """The same collection, whose calls and streams have a timeout or metadata of their own.

        ```python
        await sessions.with_options(timeout=0.5).get("user-7")
        ```
        """
        calls = self._calls
        if timeout is not None:
            calls = replace(calls, timeout=timeout, stream_timeout=timeout)
        if metadata is not None:
            calls = replace(calls, metadata=(*calls.metadata, *checked_metadata(metadata)))
        return AsyncCollection(calls, self._name, self._store)

    # One key

    async def get(self, key: str) -> dict[str, Any] | None:
        """The value of a key; None if it is missing."""
        entry = await self.get_entry(key)
        return None if entry is None else entry.value

    async def get_text(self, key: str) -> str | None:
        """The value of a key as JSON text, letter for letter as it was put."""
        entry = await self.get_entry(key)
        return None if entry is None else entry.text

    async def get_entry(self, key: str) -> Entry | None:
        """The entry of a key, with when it was put and when it expires."""
        request = pb.GetRequest(store=self._store, collection=self._name, key=_key(key))
        answer = await self._calls.unary(lambda to: to.key_value.Get, request)
        return Entry._read(answer.entry) if answer.HasField("entry") else None

    async def put(self, key: str, value: Value, *, ttl: Ttl | None = None) -> None:
        """Stores an entry and replaces what was there, its ttl included.

        The value is a mapping, or the text of a JSON object, which is kept letter for letter.
        """
        request = pb.PutRequest(
            store=self._store,
            collection=self._name,
            key=_key(key),
            value=encode_value(value),
            ttl=encode_ttl(ttl),
        )
        await self._calls.unary(lambda to: to.key_value.Put, request)

    async def delete(self, key: str) -> bool:
        """Removes an entry and says whether there was one."""
        request = pb.DeleteRequest(store=self._store, collection=self._name, key=_key(key))
        answer = await self._calls.unary(lambda to: to.key_value.Delete, request)
        return answer.deleted

    async def ttl(self, key: str) -> float | None:
        """How many seconds the entry has left; `math.inf` if for ever, None if it is missing."""
        _, ttl = await self.get_with_ttl(key)
        return ttl

    async def get_with_ttl(self, key: str) -> tuple[dict[str, Any] | None, float | None]:
        """The value of a key and its `ttl`."""
        request = pb.TtlRequest(store=self._store, collection=self._name, key=_key(key))
        answer = await self._calls.unary(lambda to: to.key_value.Ttl, request)
        if not answer.HasField("entry"):
            return None, None
        return Entry._read(answer.entry).value, _ttl(answer)

    # Many keys

    async def get_many(self, keys: Iterable[str]) -> list[dict[str, Any] | None]:
        """The values of many keys, in their order; raises if one of them can't be read."""
        return [result.value for result in await self.get_results(keys)]

    async def get_results(self, keys: Iterable[str]) -> list[Result]:
        """What came of reading many keys, in their order, with the error of each that has one."""
        request = pb.GetManyRequest(
            store=self._store, collection=self._name, keys=checked_keys(keys)
        )
        answer = await self._calls.unary(lambda to: to.key_value.GetMany, request)
        return [Result._read(result) for result in answer.results]

    async def put_many(
        self,
        entries: Mapping[str, Value] | Iterable[EntryToPut],
        *,
        ttl: Ttl | None = None,
    ) -> None:
        """Stores many entries, given as a mapping or as tuples of key, value and maybe a ttl.

        If it fails, the error's `put_many` says what is stored all the same.

        ```python
        await users.put_many({"7": {"name": "Ada"}, "8": {"name": "Alan"}})
        await users.put_many([("7", {"name": "Ada"}, 60), ("8", {"name": "Alan"})], ttl=3600)
        ```
        """
        lifetime = encode_ttl(ttl)
        encoded = [encode_entry(entry, n, lifetime) for n, entry in enumerate(pairs(entries))]
        request = pb.PutManyRequest(store=self._store, collection=self._name, entries=encoded)
        try:
            await self._calls.unary(lambda to: to.key_value.PutMany, request)
        except KvgateError as error:
            raise after_put_many(error) from error.__cause__

    async def delete_many(self, keys: Iterable[str]) -> int:
        """Removes many entries and says how many there were.

        Raises if one of them could not be removed; the others are.
        """
        request = pb.DeleteManyRequest(
            store=self._store, collection=self._name, keys=checked_keys(keys)
        )
        answer = await self._calls.unary(lambda to: to.key_value.DeleteMany, request)
        for result in answer.results:
            if result.HasField("error"):
                raise from_status(result.error)
        return answer.deleted_count

    async def ttl_many(self, keys: Iterable[str]) -> list[float | None]:
        """The `ttl` of many keys, in their order; raises if one of them can't be read."""
        return [ttl for _, ttl in await self.get_many_with_ttl(keys)]

    async def get_many_with_ttl(
        self, keys: Iterable[str]
    ) -> list[tuple[dict[str, Any] | None, float | None]]:
        """The values of many keys and the `ttl` of each, in their order."""
        request = pb.TtlManyRequest(
            store=self._store, collection=self._name, keys=checked_keys(keys)
        )
        answer = await self._calls.unary(lambda to: to.key_value.TtlMany, request)
        return [(Result._read(result).value, _ttl(result)) for result in answer.results]

    # Any number of keys

    async def stream_get_many(self, keys: AnyIterable[str]) -> AsyncGenerator[Result, None]:
        """Reads any number of keys, in their order, as fast as the results are taken.

        ```python
        async for result in users.stream_get_many(ids):
            print(result.key, result.value)
        ```
        """
        if isinstance(keys, (str, bytes)):
            raise TypeError("keys must be many, such as a list of str, not one str")
        batch = Batch[str](items_max=BATCH_BYTES_MAX)
        async for key in iterate(keys):
            if not batch.has_room(len(key) + 8):
                async with aclosing(self._stream_get(batch.items)) as results:
                    async for result in results:
                        yield result
                batch = Batch[str](items_max=BATCH_BYTES_MAX)
            batch.add(_key(key), len(key) + 8)
        if len(batch) > 0:
            async with aclosing(self._stream_get(batch.items)) as results:
                async for result in results:
                    yield result

    async def _stream_get(self, keys: list[str]) -> AsyncGenerator[Result, None]:
        request = pb.StreamGetManyRequest(store=self._store, collection=self._name, keys=keys)
        async with aclosing(
            self._calls.stream(lambda to: to.key_value.StreamGetMany, request)
        ) as answers:
            async for answer in answers:
                for result in answer.results:
                    yield Result._read(result)

    async def stream_put_many(
        self,
        entries: Mapping[str, Value] | AnyIterable[EntryToPut],
        *,
        ttl: Ttl | None = None,
        on_stored: Callable[[int], object] | None = None,
    ) -> int:
        """Stores any number of entries and says how many; `on_stored` is told as they are stored.

        They go in batches, of which a few wait for acknowledgement at once. If it fails, the
        error's `put_many` says how many are stored, counted from the first.

        ```python
        stored = await users.stream_put_many((str(n), {"n": n}) for n in range(1_000_000))
        ```
        """
        lifetime = encode_ttl(ttl)
        with await self._calls.bulk(lambda to: to.key_value.StreamPutMany) as call:
            load = AsyncLoad(call, self._store, self._name, lifetime, on_stored)
            given: AnyIterable[EntryToPut] = pairs(entries)
            async for entry in iterate(given):
                await load.add(entry)
            return await load.finish()

    # The collection

    async def list_keys(self, prefix: str = "", *, page_size: int = 0) -> AsyncGenerator[str, None]:
        """All keys that begin with `prefix`, fetched a page at a time.

        ```python
        async for key in users.list_keys("admin-"):
            print(key)
        ```
        """
        request = pb.ListKeysRequest(
            store=self._store, collection=self._name, prefix=prefix, page_size=page_size
        )
        while True:
            page = await self._calls.unary(lambda to: to.key_value.ListKeys, request)
            for key in page.keys:
                yield key
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def scan(self, prefix: str = "") -> AsyncGenerator[Result, None]:
        """All entries whose keys begin with `prefix`, in no promised order.

        An entry that can't be read is a result with its error.
        """
        request = pb.ScanEntriesRequest(store=self._store, collection=self._name, prefix=prefix)
        async with aclosing(
            self._calls.stream(lambda to: to.key_value.ScanEntries, request)
        ) as answers:
            async for answer in answers:
                for entry in answer.entries:
                    yield Result(entry.key, Entry._read(entry))
                for failure in answer.failures:
                    yield Result._read(failure)

    async def delete_collection(self) -> bool:
        """Removes the collection with all its entries and says whether there were any."""
        request = store_pb.DeleteCollectionRequest(store=self._store, collection=self._name)
        answer = await self._calls.unary(lambda to: to.stores.DeleteCollection, request)
        return answer.deleted


def _key(key: str) -> str:
    return checked_name(key, "INVALID_KEY", "key")


def _ttl(answer: pb.TtlResponse | pb.TtlResult) -> float | None:
    if not answer.HasField("entry"):
        return None
    if not answer.HasField("ttl"):
        return math.inf
    return answer.ttl.seconds + answer.ttl.nanos / 1e9
