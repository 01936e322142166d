"""kvgate as a store of the library py-key-value, for FastMCP and whatever else is built on it.

Needs that library: `pip install "kvgate[key-value]"`.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, SupportsFloat, TypeVar

from key_value.aio.errors import (
    BaseKeyValueError,
    DeserializationError,
    InvalidKeyError,
    InvalidTTLError,
    KeyValueOperationError,
    KeyValueStoreError,
    ReadOnlyError,
    SerializationError,
    StoreConnectionError,
    StoreSetupError,
    ValueTooLargeError,
)
from key_value.aio.protocols.key_value import (
    AsyncCullProtocol,
    AsyncDestroyCollectionProtocol,
    AsyncDestroyStoreProtocol,
    AsyncEnumerateCollectionsProtocol,
    AsyncEnumerateKeysProtocol,
    AsyncKeyValue,
)

from kvgate import errors
from kvgate._async.client import AsyncClient
from kvgate._async.collection import AsyncCollection
from kvgate._requests import Batch, encode_value

T = TypeVar("T")

KEYS_AT_ONCE_MAX = 1_000
"""How many keys are asked for by one call; more are asked for by several."""


class KvgateStore(
    AsyncKeyValue,
    AsyncCullProtocol,
    AsyncDestroyCollectionProtocol,
    AsyncDestroyStoreProtocol,
    AsyncEnumerateCollectionsProtocol,
    AsyncEnumerateKeysProtocol,
):
    """A store of a kvgate server, as py-key-value's `AsyncKeyValue` and all its optional parts.

    ```python
    store = KvgateStore("localhost:50051")
    await store.put("user-7", {"name": "Ada"}, collection="sessions", ttl=3600)
    ```

    It raises that library's errors; the cause of each is a `KvgateError`.

    Args:
        client: An address, or a client, which has all options and isn't closed with the store.
        store: The server's store; empty for the client's, which by itself is the server's default.
        default_collection: The collection of calls that name none; empty for the store's own.
    """

    def __init__(
        self,
        client: AsyncClient | str = "localhost:50051",
        *,
        store: str = "",
        default_collection: str = "",
    ) -> None:
        self._owns_client = isinstance(client, str)
        self._client = AsyncClient(client) if isinstance(client, str) else client
        self._store = store or None
        self._default_collection = default_collection

    async def __aenter__(self) -> KvgateStore:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Disconnects, unless the store was made with a client: that one is its maker's."""
        if self._owns_client:
            await self._client.close()

    async def get(self, key: str, *, collection: str | None = None) -> dict[str, Any] | None:
        """The value of a key; None if it is missing."""
        with _errors("get", collection, key):
            return await self._collection(collection).get(key)

    async def ttl(
        self, key: str, *, collection: str | None = None
    ) -> tuple[dict[str, Any] | None, float | None]:
        """The value of a key and the seconds it has left; None if for ever."""
        with _errors("ttl", collection, key):
            return _lifetime(*await self._collection(collection).get_with_ttl(key))

    async def put(
        self,
        key: str,
        value: Mapping[str, Any],
        *,
        collection: str | None = None,
        ttl: SupportsFloat | None = None,
    ) -> None:
        """Stores an entry."""
        text = _json(value)
        with _errors("put", collection, key, len(text)):
            await self._collection(collection).put(key, text, ttl=_seconds(ttl))

    async def delete(self, key: str, *, collection: str | None = None) -> bool:
        """Removes an entry and says whether there was one."""
        with _errors("delete", collection, key):
            return await self._collection(collection).delete(key)

    async def get_many(
        self, keys: Sequence[str], *, collection: str | None = None
    ) -> list[dict[str, Any] | None]:
        """The values of many keys, in their order."""
        with _errors("get_many", collection):
            return await _in_parts(self._collection(collection).get_many, keys)

    async def ttl_many(
        self, keys: Sequence[str], *, collection: str | None = None
    ) -> list[tuple[dict[str, Any] | None, float | None]]:
        """The values of many keys and the seconds each has left, in their order."""
        with _errors("ttl_many", collection):
            results = await _in_parts(self._collection(collection).get_many_with_ttl, keys)
            return [_lifetime(value, ttl) for value, ttl in results]

    async def put_many(
        self,
        keys: Sequence[str],
        values: Sequence[Mapping[str, Any]],
        *,
        collection: str | None = None,
        ttl: SupportsFloat | None = None,
    ) -> None:
        """Stores many entries."""
        with _errors("put_many", collection):
            seconds, to = _seconds(ttl), self._collection(collection)
            batch = Batch[tuple[str, bytes]]()
            for key, value in zip(keys, values, strict=True):
                text = _json(value)
                size = len(key) + len(text)
                if not batch.has_room(size):
                    await to.put_many(batch.items, ttl=seconds)
                    batch = Batch[tuple[str, bytes]]()
                batch.add((key, text), size)
            await to.put_many(batch.items, ttl=seconds)

    async def delete_many(self, keys: Sequence[str], *, collection: str | None = None) -> int:
        """Removes many entries and says how many there were."""
        with _errors("delete_many", collection):
            to = self._collection(collection)
            return sum([await to.delete_many(part) for part in _parts(keys)])

    async def keys(self, collection: str | None = None, *, limit: int | None = None) -> list[str]:
        """The keys of a collection: all of them, or the first `limit` that the server lists."""
        with _errors("keys", collection):
            return await _first(self._collection(collection).list_keys(), limit)

    async def collections(self, *, limit: int | None = None) -> list[str]:
        """The collections that hold entries: all, or the first `limit` that the server lists."""
        with _errors("collections"):
            return await _first(self._client.list_collections(store=self._store), limit)

    async def cull(self) -> None:
        """Removes the expired entries that the store still holds."""
        # A store that can't do this removes them by itself.
        with _errors("cull"), suppress(errors.NotSupportedError):
            await self._client.cull(self._store)

    async def destroy_collection(self, collection: str) -> bool:
        """Removes a collection and says whether it held anything."""
        with _errors("destroy_collection", collection):
            return await self._collection(collection).delete_collection()

    async def destroy(self) -> bool:
        """Removes all entries of all collections of the store."""
        with _errors("destroy"):
            # The server wants the store named, lest the default one be destroyed by mistake.
            store = await self._client.get_store(self._store)
            await self._client.destroy_store(store.name)
            return True

    def _collection(self, name: str | None) -> AsyncCollection:
        return self._client.collection(name or self._default_collection, store=self._store)


def _json(value: Mapping[str, Any]) -> bytes:
    try:
        return encode_value(value)
    except (TypeError, errors.InvalidArgumentError) as error:
        raise SerializationError(message=str(error)) from error


def _seconds(ttl: SupportsFloat | None) -> float | None:
    if ttl is None:
        return None
    if isinstance(ttl, bool):
        raise InvalidTTLError(ttl=ttl, extra_info={"type": "bool"})
    try:
        seconds = float(ttl)
    except (TypeError, ValueError) as error:
        raise InvalidTTLError(ttl=ttl, extra_info={"type": type(ttl).__name__}) from error
    if not seconds > 0:
        raise InvalidTTLError(ttl=ttl)
    return seconds


def _lifetime(
    value: dict[str, Any] | None, ttl: float | None
) -> tuple[dict[str, Any] | None, float | None]:
    return value, None if ttl == math.inf else ttl


def _parts(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(keys), KEYS_AT_ONCE_MAX):
        yield keys[start : start + KEYS_AT_ONCE_MAX]


async def _in_parts(
    call: Callable[[Sequence[str]], Awaitable[list[T]]], keys: Sequence[str]
) -> list[T]:
    """Reads many keys by as many calls as their number and the size of their values need."""
    found: list[T] = []
    for part in _parts(keys):
        try:
            found += await call(part)
        except errors.ResourceExhaustedError as error:
            if error.reason != "RESPONSE_TOO_LARGE" or len(part) == 1:
                raise
            middle = len(part) // 2
            found += await _in_parts(call, part[:middle])
            found += await _in_parts(call, part[middle:])
    return found


async def _first(names: AsyncIterator[str], limit: int | None) -> list[str]:
    found: list[str] = []
    if limit is not None and limit <= 0:
        return found
    async for name in names:
        found.append(name)
        if len(found) == limit:
            break
    return found


@contextmanager
def _errors(
    operation: str,
    collection: str | None = None,
    key: str | None = None,
    size: int | None = None,
) -> Iterator[None]:
    """Raises the library's error for each of kvgate's; `size` is that of a value to store."""
    try:
        yield
    except errors.KvgateError as error:
        raise _translate(error, operation, collection, key, size) from error


def _translate(
    error: errors.KvgateError,
    operation: str,
    collection: str | None,
    key: str | None,
    size: int | None,
) -> BaseKeyValueError:
    said = str(error)
    match error.reason:
        case "INVALID_KEY" | "INVALID_COLLECTION":
            return InvalidKeyError(message=said)
        case "INVALID_VALUE":
            return SerializationError(message=said)
        case "INVALID_TTL":
            return InvalidTTLError(ttl=None, extra_info={"message": said})
        case "READ_ONLY":
            return ReadOnlyError(operation=operation, collection=collection, key=key)
        case "UNREADABLE_ENTRY":
            return DeserializationError(message=said)
        # A request is too large because of a value: this store sends no more than one that is.
        case "VALUE_TOO_LARGE" | "REQUEST_TOO_LARGE":
            limit = int(error.metadata.get("limit", 0))
            return ValueTooLargeError(size or limit + 1, limit, collection, key)
    match error:
        case errors.InvalidArgumentError() | errors.NotSupportedError():
            return KeyValueOperationError(message=said)
        case errors.UnavailableError() | errors.DeadlineExceededError() | errors.ClosedError():
            return StoreConnectionError(message=said)
        case (
            errors.StoreNotFoundError()
            | errors.UnauthenticatedError()
            | errors.PermissionDeniedError()
        ):
            return StoreSetupError(message=said)
    return KeyValueStoreError(message=said)
