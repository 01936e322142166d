"""Calls kvgate without a pause until it is told to stop, and fails if one call failed.

    load.py HOST:PORT TOKEN FILE    stops once there is FILE

Half of the callers keep their connection, the others make one for each call. Nothing is tried again, but for
what gRPC knows that the server has not seen.
"""

import asyncio
import sys
from collections import Counter
from pathlib import Path

import grpc
from kvgate.gen.keyvalue.v1 import key_value_service_pb2 as messages
from kvgate.gen.keyvalue.v1.key_value_service_pb2_grpc import KeyValueServiceStub

CALLERS = 8
# each channel has a connection of its own
OPTIONS = [("grpc.use_local_subchannel_pool", 1)]
CALL_SECONDS_MAX = 20


async def call(
    channel: grpc.aio.Channel, token: str, key: str, ended: Counter[str]
) -> None:
    request = messages.PutRequest(
        key=key, value=b'{"put by": "load"}', collection="load"
    )
    metadata = (("authorization", f"Bearer {token}"),)
    try:
        await KeyValueServiceStub(channel).Put(
            request, timeout=CALL_SECONDS_MAX, metadata=metadata
        )
        ended["OK"] += 1
    except grpc.aio.AioRpcError as error:
        ended[f"{error.code().name}: {error.details()}"] += 1


async def keep_connection(
    target: str, token: str, key: str, stop: asyncio.Event, ended: Counter[str]
) -> None:
    async with grpc.aio.insecure_channel(target, options=OPTIONS) as channel:
        while not stop.is_set():
            await call(channel, token, key, ended)


async def connect_anew(
    target: str, token: str, key: str, stop: asyncio.Event, ended: Counter[str]
) -> None:
    while not stop.is_set():
        async with grpc.aio.insecure_channel(target, options=OPTIONS) as channel:
            await call(channel, token, key, ended)


async def wait_for(file: Path, stop: asyncio.Event) -> None:
    while not file.exists():
        await asyncio.sleep(0.05)
    stop.set()


async def main(target: str, token: str, file: str) -> int:
    stop, ended = asyncio.Event(), Counter[str]()
    callers = (keep_connection, connect_anew)
    await asyncio.gather(
        wait_for(Path(file), stop),
        *(
            callers[each % 2](target, token, f"key-{each}", stop, ended)
            for each in range(CALLERS)
        ),
    )
    for how, count in ended.most_common():
        print(f"{count} calls ended with {how}")
    return 0 if set(ended) == {"OK"} else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
