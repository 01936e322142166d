"""Makes what is sent: values as JSON text, durations, and batches that fit in a message."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Generic, TypeVar

from google.protobuf.duration_pb2 import Duration

from kvgate._status import invalid
from kvgate.entries import EntryToPut, Ttl, Value
from kvgate.gen.keyvalue.v1 import key_value_service_pb2 as pb

T = TypeVar("T")

BATCH_ENTRIES_MAX = 1_000
"""The most entries of one batch of a stream."""
BATCH_BYTES_MAX = 1024 * 1024
"""The most bytes of one batch; a single entry that is larger is a batch by itself."""

# google.protobuf.Duration holds some 10,000 years. The server refuses that much already.
_SECONDS_MAX = 315_576_000_000


def encode_value(value: Value, field: str = "value") -> bytes:
    """Writes a value as JSON text; text stays as it is."""
    try:
        if isinstance(value, bytes):
            return value
        if not isinstance(value, str):
            if not isinstance(value, Mapping):
                raise TypeError(
                    f"a value is a mapping or the text of a JSON object, not {type(value).__name__}"
                )
            value = json.dumps(
                value if isinstance(value, dict) else dict(value),
                ensure_ascii=False,
                allow_nan=False,
                separators=(",", ":"),
            )
        return value.encode()
    except (ValueError, RecursionError) as error:
        # UnicodeEncodeError shows all of the text, so it must not become part of the message.
        said = "half of a surrogate pair" if isinstance(error, UnicodeError) else str(error)
        raise invalid("INVALID_VALUE", field, f"{field} can't be JSON: {said}") from None


def encode_ttl(ttl: Ttl | None, field: str = "ttl") -> Duration | None:
    """Writes a ttl as the message that carries it; None is for ever."""
    if ttl is None:
        return None
    seconds = ttl.total_seconds() if isinstance(ttl, timedelta) else float(ttl)
    if seconds == math.inf:
        return None
    if math.isnan(seconds) or abs(seconds) > _SECONDS_MAX:
        raise invalid("INVALID_TTL", field, f"{field} is {seconds} seconds")
    whole = math.trunc(seconds)
    return Duration(seconds=whole, nanos=math.trunc((seconds - whole) * 1e9))


def encode_entry(entry: EntryToPut, index: int, ttl: Duration | None) -> pb.PutEntry:
    """Writes one of many entries to store; `ttl` is for one that has none of its own.

    The ttl of a request would also be that of entries which live for ever, so each has its own.
    """
    place = f"entries[{index}]"
    key, value, *own = entry
    if own and own[0] is not None:
        ttl = encode_ttl(own[0], f"{place}.ttl")
    return pb.PutEntry(
        key=checked_name(key, "INVALID_KEY", f"{place}.key"),
        value=encode_value(value, f"{place}.value"),
        ttl=ttl,
    )


def checked_name(name: str, reason: str, field: str) -> str:
    """Refuses a name that is no text or can't be UTF-8, which protobuf would say less clearly."""
    if not isinstance(name, str):
        raise TypeError(f"{field} must be a str, not {type(name).__name__}")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise invalid(reason, field, f"{field} has half of a surrogate pair") from None
    return name


def checked_keys(keys: Iterable[str]) -> list[str]:
    """Refuses a single key where many are asked for: it would be taken letter by letter."""
    if isinstance(keys, (str, bytes)):
        raise TypeError("keys must be many, such as a list of str, not one str")
    return [checked_name(key, "INVALID_KEY", f"keys[{n}]") for n, key in enumerate(keys)]


def pairs(entries: Mapping[str, Value] | T) -> Iterable[tuple[str, Value]] | T:
    """Takes entries as a mapping of keys to values, or as tuples."""
    return entries.items() if isinstance(entries, Mapping) else entries


class Batch(Generic[T]):
    """Collects items until they are enough for one message."""

    def __init__(self, items_max: int = BATCH_ENTRIES_MAX) -> None:
        self.items: list[T] = []
        self._items_max = items_max
        self._bytes = 0

    def __len__(self) -> int:
        return len(self.items)

    def has_room(self, size: int) -> bool:
        """Whether an item of `size` bytes still fits. One does in any case."""
        return not self.items or (
            len(self.items) < self._items_max and self._bytes + size <= BATCH_BYTES_MAX
        )

    def add(self, item: T, size: int) -> None:
        """Adds an item."""
        self.items.append(item)
        self._bytes += size
