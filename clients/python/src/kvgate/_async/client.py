"""The client."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from types import TracebackType

from kvgate._async.calls import AsyncCalls
from kvgate._async.collection import AsyncCollection
from kvgate._async.transport import AsyncTransport
from kvgate._requests import checked_name
from kvgate._retry import ATTEMPTS_MAX
from kvgate.connect import (
    MESSAGE_BYTES_MAX,
    TIMEOUT_SECONDS,
    PathLike,
    Settings,
    Tls,
    Token,
)
from kvgate.entries import Store
from kvgate.gen.keyvalue.v1 import key_value_service_pb2 as pb
from kvgate.gen.keyvalue.v1 import store_service_pb2 as store_pb

CLOSE_GRACE_SECONDS = 5.0
"""How long `close` waits for calls under way, if nothing else is said."""


class AsyncClient:
    """A client of one kvgate server, or of the several that share a name.

    ```python
    async with kvgate.AsyncClient("localhost:50051") as client:
        sessions = client.collection("sessions")
        await sessions.put("user-7", {"name": "Ada"}, ttl=3600)
    ```

    Args:
        address: `HOST:PORT`, a URL (`http://…`, `https://…`, `unix:///…`), or a target of gRPC's
            such as `dns:///kvgate-headless:50051`, whose addresses get calls in turn.
        store: The store that calls use if they name none; empty for the server's default store.
        tls: How to encrypt; needless with an `https` address unless there is more to say.
        token: A bearer token, or a function that gives one for each call.
        token_file: A file that has the token and is read again when it changes.
        allow_insecure_token: Sends the token even where others can read it: without TLS, beyond
            this machine.
        timeout: Seconds that a call may take, with all its tries; None: as long as it likes.
            Streams have none but that of `with_options`.
        attempts_max: How often a call is tried, the first time included; 1: never again.
        connections: How many connections share the load.
        message_bytes_max: The largest message taken from the server.
    """

    def __init__(
        self,
        address: str = "localhost:50051",
        *,
        store: str = "",
        tls: Tls | None = None,
        token: Token | None = None,
        token_file: PathLike | None = None,
        allow_insecure_token: bool = False,
        timeout: float | None = TIMEOUT_SECONDS,
        attempts_max: int = ATTEMPTS_MAX,
        connections: int = 1,
        message_bytes_max: int = MESSAGE_BYTES_MAX,
    ) -> None:
        settings = Settings.check(
            address,
            tls=tls,
            token=token,
            token_file=token_file,
            allow_insecure_token=allow_insecure_token,
            timeout=timeout,
            attempts_max=attempts_max,
            connections=connections,
            message_bytes_max=message_bytes_max,
        )
        self._address = address
        self._store = checked_name(store, "STORE_NOT_FOUND", "store")
        self._transport = AsyncTransport(settings)
        self._calls = AsyncCalls(self._transport, attempts_max, timeout)

    def __repr__(self) -> str:
        return f"AsyncClient({self._address!r})"

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self, grace: float = CLOSE_GRACE_SECONDS) -> None:
        """Refuses new calls, waits `grace` seconds for those under way, and disconnects.

        Calls that take longer, and streams that are being read, end with `ClosedError`.
        """
        await self._transport.close(grace)

    def collection(self, name: str = "", *, store: str | None = None) -> AsyncCollection:
        """A collection of the client's store or of another one. It need not be created.

        Without a name it is the store's default collection.
        """
        return AsyncCollection(self._calls, name, self._store if store is None else store)

    async def list_collections(
        self, prefix: str = "", *, store: str | None = None, page_size: int = 0
    ) -> AsyncGenerator[str, None]:
        """All collections that hold entries and begin with `prefix`, fetched a page at a time."""
        request = pb.ListCollectionsRequest(
            store=self._store if store is None else store, prefix=prefix, page_size=page_size
        )
        while True:
            page = await self._calls.unary(lambda to: to.key_value.ListCollections, request)
            for collection in page.collections:
                yield collection
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def list_stores(self) -> list[Store]:
        """The stores of the server, by name."""
        answer = await self._calls.unary(
            lambda to: to.stores.ListStores, store_pb.ListStoresRequest()
        )
        return [Store._read(store) for store in answer.stores]

    async def get_store(self, store: str | None = None) -> Store:
        """What the server says of a store: type, capabilities, limits."""
        request = store_pb.GetStoreRequest(store=self._store if store is None else store)
        answer = await self._calls.unary(lambda to: to.stores.GetStore, request)
        return Store._read(answer.store)

    async def cull(self, store: str | None = None) -> int:
        """Removes the expired entries that a store still holds and says how many there were."""
        request = store_pb.CullRequest(store=self._store if store is None else store)
        answer = await self._calls.unary(lambda to: to.stores.Cull, request)
        return answer.culled_count

    async def destroy_store(self, store: str) -> None:
        """Removes all entries of all collections of a store, which must be named."""
        request = store_pb.DestroyStoreRequest(store=store)
        await self._calls.unary(lambda to: to.stores.DestroyStore, request)
