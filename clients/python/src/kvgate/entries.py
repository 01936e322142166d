"""What is read and written: entries, the results of reading many, and what stores say of
themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, TypeAlias

from kvgate._status import from_status
from kvgate.errors import KvgateError
from kvgate.gen.keyvalue.v1 import entry_pb2, store_service_pb2
from kvgate.gen.keyvalue.v1 import key_value_service_pb2 as pb

Value: TypeAlias = Mapping[str, Any] | str | bytes
"""A value to store: a mapping, or the text of a JSON object, which is kept letter for letter."""

Ttl: TypeAlias = float | timedelta
"""How long an entry lives: seconds or a `timedelta`. `math.inf` is for ever."""

EntryToPut: TypeAlias = tuple[str, Value] | tuple[str, Value, Ttl | None]
"""An entry to store: key and value, and its own ttl if it has one."""


@dataclass(frozen=True)
class Entry:
    """One stored entry."""

    key: str
    """The key exactly as it was put."""
    raw: bytes = field(repr=False)
    """The JSON object as UTF-8, letter for letter as it was put."""
    created_at: datetime | None
    """When it was put, in UTC; None if the store does not know."""
    expires_at: datetime | None
    """When it stops being visible, in UTC; None if it never does."""

    @property
    def text(self) -> str:
        """The JSON object as text, letter for letter as it was put."""
        return self.raw.decode()

    @property
    def value(self) -> dict[str, Any]:
        """The value, parsed anew each time."""
        value: dict[str, Any] = json.loads(self.raw)
        return value

    @classmethod
    def _read(cls, message: entry_pb2.Entry) -> Entry:
        return cls(
            message.key,
            message.value,
            message.created_at.ToDatetime(timezone.utc) if message.HasField("created_at") else None,
            message.expires_at.ToDatetime(timezone.utc) if message.HasField("expires_at") else None,
        )


@dataclass(frozen=True)
class Result:
    """What came of reading one of many keys: an entry, nothing, or an error of that key alone."""

    key: str
    """The key that was asked for."""
    entry: Entry | None = None
    """The entry; None if there is none, or if it can't be read."""
    error: KvgateError | None = None
    """Why it can't be read."""

    @property
    def value(self) -> dict[str, Any] | None:
        """The value; None if the key is missing. Raises `error` if there is one."""
        if self.error is not None:
            raise self.error
        return None if self.entry is None else self.entry.value

    @classmethod
    def _read(cls, message: pb.GetResult | pb.TtlResult) -> Result:
        if message.HasField("error"):
            return cls(message.key, error=from_status(message.error))
        return cls(message.key, Entry._read(message.entry) if message.HasField("entry") else None)


@dataclass(frozen=True)
class Capabilities:
    """What a store can do beyond getting, putting and deleting."""

    list_keys: bool
    """`list_keys` and `scan`."""
    list_collections: bool
    """`list_collections`."""
    delete_collection: bool
    """`delete_collection`."""
    destroy: bool
    """`destroy_store`."""
    cull: bool
    """`cull`; False too for a store that removes expired entries by itself."""
    exact_values: bool
    """Values come back letter for letter, not only as an equal JSON object."""
    persistent: bool
    """Entries outlive the server process."""
    shared: bool
    """Other processes see the same entries."""
    retains: bool
    """What was put can be read again; False only for a store that keeps nothing."""
    evicts: bool
    """Live entries may be dropped when the store is full, instead of refusing new ones."""


@dataclass(frozen=True)
class Limits:
    """The largest things a store takes, in bytes. 0: no limit but the server's."""

    key_bytes_max: int
    collection_bytes_max: int
    value_bytes_max: int


@dataclass(frozen=True)
class Store:
    """What the server says of one of its stores."""

    name: str
    """The name that calls use."""
    type: str
    """The type, as in the server's configuration: `"memory"`, `"disk"`, …"""
    stability: str
    """What is promised about its stored form: `"STABLE"`, `"UNSTABLE"`, `"NOT_APPLICABLE"`."""
    capabilities: Capabilities
    """What it can do."""
    limits: Limits
    """Its own limits, within the server's."""
    description: str
    """The store with its wrappers and settings, for a person to read."""
    is_default: bool
    """Whether calls that name no store use this one."""

    @classmethod
    def _read(cls, message: store_service_pb2.Store) -> Store:
        can, limits = message.capabilities, message.limits
        return cls(
            name=message.name,
            type=message.type,
            stability=store_service_pb2.Stability.Name(message.stability).removeprefix(
                "STABILITY_"
            ),
            capabilities=Capabilities(
                **{name: getattr(can, name) for name in Capabilities.__dataclass_fields__}
            ),
            limits=Limits(**{name: getattr(limits, name) for name in Limits.__dataclass_fields__}),
            description=message.description,
            is_default=message.is_default,
        )
