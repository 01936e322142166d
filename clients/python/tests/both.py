"""Lets one test be of both clients: it waits for whatever either gives."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, Awaitable, Iterable
from typing import Any, TypeAlias, TypeVar

import kvgate

T = TypeVar("T")

AnyClient: TypeAlias = kvgate.Client | kvgate.AsyncClient
AnyCollection: TypeAlias = kvgate.Collection | kvgate.AsyncCollection


async def settle(answer: T | Awaitable[T]) -> T:
    """The answer of a call."""
    if inspect.isawaitable(answer):
        return await answer
    return answer


async def gather(items: Iterable[T] | AsyncIterable[T]) -> list[T]:
    """All items of a stream."""
    if isinstance(items, AsyncIterable):
        return [item async for item in items]
    return list(items)


async def first(items: Any) -> Any:
    """The first item of a stream, which is then left as it is."""
    if isinstance(items, AsyncIterable):
        async for item in items:
            return item
    for item in items:
        return item
    return None
