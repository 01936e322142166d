"""Loads 100,000 entries, scans them, and removes them: `python bulk.py [ADDRESS]`."""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import kvgate

COUNT = 100_000


async def main(address: str) -> None:
    async with kvgate.AsyncClient(address) as client:
        readings = client.collection("readings")
        stored = await readings.stream_put_many(measure(), ttl=3600, on_stored=progress)
        print(f"stored {stored}")

        warmest = 0.0
        async for result in readings.scan("sensor-1"):
            if result.error is not None:
                print(f"{result.key}: {result.error}")
            elif result.value is not None:
                warmest = max(warmest, result.value["celsius"])
        print(f"the warmest of sensor 1: {warmest}")

        await readings.delete_collection()


async def measure() -> AsyncIterator[tuple[str, dict[str, Any]]]:
    for n in range(COUNT):
        yield f"sensor-{n % 3}/{n}", {"celsius": 15 + n % 100 / 10}


def progress(stored: int) -> None:
    if stored % 25_000 == 0:
        print(f"{stored} of {COUNT}")


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "localhost:50051"))
