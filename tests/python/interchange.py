"""Drives one store of py-key-value-aio by lines of JSON.

Each line on standard input asks for one thing, and is answered by one line:
`{"ok": ...}` or `{"error": "..."}`. Values travel as JSON text inside a string,
so that the caller sees how this side writes them.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

import hvac
from glide import (
    GlideClientConfiguration,
    GlideClusterClientConfiguration,
    NodeAddress,
)
from key_value.aio.stores.disk import DiskStore, MultiDiskStore
from key_value.aio.stores.dynamodb import DynamoDBStore
from key_value.aio.stores.elasticsearch import ElasticsearchStore
from key_value.aio.stores.filetree import (
    FileTreeStore,
    FileTreeV1CollectionSanitizationStrategy,
    FileTreeV1KeySanitizationStrategy,
)
from key_value.aio.stores.keyring.store import (
    KeyringStore,
    KeyringV1CollectionSanitizationStrategy,
    KeyringV1KeySanitizationStrategy,
)
from key_value.aio.stores.memcached import MemcachedStore
from key_value.aio.stores.mongodb import MongoDBStore
from key_value.aio.stores.opensearch import OpenSearchStore
from key_value.aio.stores.redis import RedisStore
from key_value.aio.stores.s3 import S3Store
from key_value.aio.stores.valkey import ValkeyStore
from key_value.aio.stores.vault import VaultStore

# How long Valkey may take for an answer on a busy machine, in milliseconds; glide's
# own default is 250.
VALKEY_TIMEOUT_MS = 10_000


def open_disk(directory: str):
    return DiskStore(directory=directory)


def open_multidisk(directory: str):
    return MultiDiskStore(base_directory=Path(directory))


def open_filetree(directory: str):
    return FileTreeStore(data_directory=directory)


def open_filetree_v1(directory: str):
    path = Path(directory)
    path.mkdir(parents=True, exist_ok=True)
    return FileTreeStore(
        data_directory=path,
        key_sanitization_strategy=FileTreeV1KeySanitizationStrategy(path),
        collection_sanitization_strategy=FileTreeV1CollectionSanitizationStrategy(path),
    )


def open_elasticsearch(url: str, index_prefix: str):
    return ElasticsearchStore(url=url, index_prefix=index_prefix)


def open_opensearch(url: str, index_prefix: str):
    return OpenSearchStore(url=url, index_prefix=index_prefix)


def open_dynamodb(**settings: str):
    return DynamoDBStore(**settings)


def open_keyring(dbus_address: str, v1: bool = False):
    # Python's keyring library finds the Secret Service by the environment alone.
    os.environ["DBUS_SESSION_BUS_ADDRESS"] = dbus_address
    if v1:
        return KeyringStore(
            key_sanitization_strategy=KeyringV1KeySanitizationStrategy(),
            collection_sanitization_strategy=KeyringV1CollectionSanitizationStrategy(),
        )
    return KeyringStore()


def open_memcached(host: str, port: int):
    return MemcachedStore(host=host, port=port)


def open_mongodb(url: str, db_name: str):
    return MongoDBStore(url=url, db_name=db_name)


def open_redis(host: str, port: int):
    return RedisStore(host=host, port=port)


def open_s3(**settings: str):
    return S3Store(**settings)


def open_valkey(host: str, port: int):
    addresses = [NodeAddress(host, port)]
    return ValkeyStore(
        config=GlideClientConfiguration(addresses, request_timeout=VALKEY_TIMEOUT_MS)
    )


def open_valkey_cluster(host: str, port: int):
    addresses = [NodeAddress(host, port)]
    return ValkeyStore(
        config=GlideClusterClientConfiguration(
            addresses, request_timeout=VALKEY_TIMEOUT_MS
        )
    )


def open_vault(url: str, token: str, verify: str | bool):
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
