"""What the tests share: a real server, and both clients of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec

import pytest

import kvgate
from tests.both import AnyClient, settle
from tests.server import CASES, Server

# FastMCP asks for another py-key-value than the other tests: it has an environment of its own.
collect_ignore = [] if find_spec("fastmcp") else ["test_fastmcp.py"]


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The server of the cases: a Memory store, and one that is read only."""
    with Server((CASES / "kvgate.toml").read_text()) as server:
        yield server


@pytest.fixture(params=["sync", "async"])
def client_class(request: pytest.FixtureRequest) -> type[AnyClient]:
    """A test that takes this runs for both clients."""
    return kvgate.Client if request.param == "sync" else kvgate.AsyncClient


@pytest.fixture
async def client(client_class: type[AnyClient], server: Server) -> AsyncIterator[AnyClient]:
    """A client of `server`."""
    client = client_class(server.address)
    yield client
    await settle(client.close())
