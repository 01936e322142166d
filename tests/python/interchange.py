"""Drives one store of py-key-value-aio by lines of JSON.

Each line on standard input asks for one thing, and is answered by one line:
`{"ok": ...}` or `{"error": "..."}`. Values travel as JSON text inside a string,
so that the caller sees how this side writes them.

Each store is imported where it is opened: all of them take two seconds.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

# How long Valkey may take for an answer on a busy machine, in milliseconds; glide's
# own default is 250.
VALKEY_TIMEOUT_MS = 10_000

# How often one thing is asked of a keyring that fails it.
CALLS_MAX = 5


def open_disk(directory: str):
    from key_value.aio.stores.disk import DiskStore

    return DiskStore(directory=directory)


def open_multidisk(directory: str):
    from key_value.aio.stores.disk import MultiDiskStore

    return MultiDiskStore(base_directory=Path(directory))


def open_filetree(directory: str):
    from key_value.aio.stores.filetree import FileTreeStore

    return FileTreeStore(data_directory=directory)


def open_filetree_v1(directory: str):
    from key_value.aio.stores.filetree import (
        FileTreeStore,
        FileTreeV1CollectionSanitizationStrategy,
        FileTreeV1KeySanitizationStrategy,
    )

    path = Path(directory)
    path.mkdir(parents=True, exist_ok=True)
    return FileTreeStore(
        data_directory=path,
        key_sanitization_strategy=FileTreeV1KeySanitizationStrategy(path),
        collection_sanitization_strategy=FileTreeV1CollectionSanitizationStrategy(path),
    )


def open_elasticsearch(url: str, index_prefix: str):
    from key_value.aio.stores.elasticsearch import ElasticsearchStore

    return ElasticsearchStore(url=url, index_prefix=index_prefix)


def open_opensearch(url: str, index_prefix: str):
    from key_value.aio.stores.opensearch import OpenSearchStore

    return OpenSearchStore(url=url, index_prefix=index_prefix)


def open_dynamodb(**settings: str):
    from key_value.aio.stores.dynamodb import DynamoDBStore

    return DynamoDBStore(**settings)


def open_keyring(dbus_address: str, v1: bool = False):
    import keyring
    from key_value.aio.stores.keyring.store import (
        KeyringStore,
        KeyringV1CollectionSanitizationStrategy,
        KeyringV1KeySanitizationStrategy,
    )

    # Python's keyring library finds the Secret Service by the environment alone.
    os.environ["DBUS_SESSION_BUS_ADDRESS"] = dbus_address
    for name in ("get_password", "set_password", "delete_password"):
        setattr(keyring, name, asked_again(getattr(keyring, name)))
    if v1:
        return KeyringStore(
            key_sanitization_strategy=KeyringV1KeySanitizationStrategy(),
            collection_sanitization_strategy=KeyringV1CollectionSanitizationStrategy(),
        )
    return KeyringStore()


def asked_again(call):
    """The same call, made anew if the keyring fails it.

    gnome-keyring 42 looks up which keyring is the default one in one thread while
    another, for each caller that connects, frees that name: now and then a call goes to
    a keyring of a name made of rubbish. The library connects for every call, and the
    store takes whatever fails a get for a missing entry.
    """
    from keyring.errors import PasswordDeleteError

    def ask(*positional, **named):
        for _ in range(CALLS_MAX - 1):
            try:
                return call(*positional, **named)
            except PasswordDeleteError:
                raise
            except Exception as error:  # noqa: BLE001 - the last call says what it is
                print(f"asked again: {error!r}", file=sys.stderr)
        return call(*positional, **named)

    return ask


def open_memcached(host: str, port: int):
    from key_value.aio.stores.memcached import MemcachedStore

    return MemcachedStore(host=host, port=port)


def open_mongodb(url: str, db_name: str):
    from key_value.aio.stores.mongodb import MongoDBStore

    return MongoDBStore(url=url, db_name=db_name)


def open_redis(host: str, port: int):
    from key_value.aio.stores.redis import RedisStore

    return RedisStore(host=host, port=port)


def open_s3(**settings: str):
    from key_value.aio.stores.s3 import S3Store

    return S3Store(**settings)


def open_valkey(host: str, port: int):
    from glide import GlideClientConfiguration, NodeAddress
    from key_value.aio.stores.valkey import ValkeyStore

    addresses = [NodeAddress(host, port)]
    return ValkeyStore(
        config=GlideClientConfiguration(addresses, request_timeout=VALKEY_TIMEOUT_MS)
    )


def open_valkey_cluster(host: str, port: int):
    from glide import GlideClusterClientConfiguration, NodeAddress
    from key_value.aio.stores.valkey import ValkeyStore

    addresses = [NodeAddress(host, port)]
    return ValkeyStore(
        config=GlideClusterClientConfiguration(
            addresses, request_timeout=VALKEY_TIMEOUT_MS
        )
    )


def open_vault(url: str, token: str, verify: str | bool):
    import hvac
    from key_value.aio.stores.vault import VaultStore

    # the store itself has no setting for the authority
    return VaultStore(client=hvac.Client(url=url, token=token, verify=verify))


# Each opens a store over what `at` says; a directory need not exist.
OPEN = {
    "disk": open_disk,
    "multidisk": open_multidisk,
    "filetree": open_filetree,
    "filetree_v1": open_filetree_v1,
    "elasticsearch": open_elasticsearch,
    "opensearch": open_opensearch,
    "dynamodb": open_dynamodb,
    "keyring": open_keyring,
    "memcached": open_memcached,
    "mongodb": open_mongodb,
    "redis": open_redis,
    "s3": open_s3,
    "valkey": open_valkey,
    "valkey_cluster": open_valkey_cluster,
    "vault": open_vault,
}


def text(value: dict | None) -> str | None:
    """Writes a value as the library itself stores it."""
    return None if value is None else json.dumps(value, sort_keys=True)


class Driver:
    """The open store and what can be asked of it."""

    def __init__(self) -> None:
        self.store = None

    async def open(self, kind: str, at: dict) -> None:
        self.store = OPEN[kind](**at)
        # how long a client needs to begin is no part of an entry's time
        await self.store.setup()

    async def put(
        self, collection: str, key: str, value: str, ttl: float | None
    ) -> None:
        await self.store.put(key, json.loads(value), collection=collection, ttl=ttl)

    async def put_many(
        self, collection: str, keys: list[str], values: list[str], ttl: float | None
    ) -> None:
        objects = [json.loads(value) for value in values]
        await self.store.put_many(keys, objects, collection=collection, ttl=ttl)

    async def put_one_by_one(
        self, collection: str, keys: list[str], value: str
    ) -> None:
        for key in keys:
            await self.store.put(key, json.loads(value), collection=collection)

    async def ttl(self, collection: str, key: str) -> list:
        value, left = await self.store.ttl(key, collection=collection)
        return [text(value), left]

    async def get_many(self, collection: str, keys: list[str]) -> list:
        values = await self.store.get_many(keys, collection=collection)
        return [text(value) for value in values]

    async def delete(self, collection: str, key: str) -> bool:
        return await self.store.delete(key, collection=collection)

    async def delete_many(self, collection: str, keys: list[str]) -> int:
        return await self.store.delete_many(keys, collection=collection)


async def main() -> None:
    driver = Driver()
    for line in sys.stdin:
        request = json.loads(line)
        method = getattr(driver, request.pop("do"))
        try:
            answer = {"ok": await method(**request)}
        except Exception as error:  # noqa: BLE001 - the caller decides what it means
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


asyncio.run(main())
