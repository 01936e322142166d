"""FastMCP keeps its cache in kvgate: a consumer of `AsyncKeyValue` that knows nothing of it.

FastMCP asks for an older py-key-value than the other tests, so it is run in an environment of its
own, see `check`.
"""

from __future__ import annotations

from fastmcp import Client, FastMCP
from fastmcp.server.middleware.caching import ResponseCachingMiddleware

from kvgate.key_value import KvgateStore
from tests.server import Server


def make_server(store: KvgateStore, calls: list[int]) -> FastMCP:
    mcp = FastMCP("squares")
    mcp.add_middleware(ResponseCachingMiddleware(cache_storage=store))

    @mcp.tool  # type: ignore[untyped-decorator,unused-ignore]
    def square(n: int) -> int:
        calls.append(n)
        return n * n

    return mcp


async def test_a_tools_answers_are_cached_in_kvgate(server: Server) -> None:
    calls: list[int] = []
    async with KvgateStore(server.address) as store:
        await store.destroy()
        for _ in range(2):
            # The second server knows only what the first has left in kvgate.
            async with Client(make_server(store, calls)) as client:
                assert (await client.call_tool("square", {"n": 7})).data == 49
        assert calls == [7]
        assert len(await store.keys("tools/call")) == 1
