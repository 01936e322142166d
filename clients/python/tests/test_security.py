"""TLS, client certificates and tokens, against a real server that asks for them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

import kvgate
from kvgate.connect import Target, TokenFile
from tests.both import AnyClient, settle
from tests.server import Server

TOKEN = "kvgate-test-token-0123456789abcdef0123456789abcdef"

CONFIG = """
[server]
default_store = "main"

[server.tls]
certificate_file = "server.pem"
key_file = "server.key"
client_ca_file = "ca.pem"
client_certificates = "optional"

[[server.authentication.tokens]]
principal = "web"
roles = ["web"]
sha256 = "{sha256}"

[[server.authentication.certificates]]
name = "job.example"
roles = ["web"]

[[server.roles.web]]
stores = ["main"]
operations = ["read", "write"]

[stores.main]
type = "memory"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate = authority.issue_cert("localhost", "kvgate.example")
    certificate.cert_chain_pems[0].write_to_path(folder / "server.pem")
    certificate.private_key_pem.write_to_path(folder / "server.key")
    certificate = authority.issue_cert("job.example", common_name="job.example")
    certificate.cert_chain_pems[0].write_to_path(folder / "job.pem")
    certificate.private_key_pem.write_to_path(folder / "job.key")
    (folder / "token").write_text(f"{TOKEN}\n")
    return folder


@pytest.fixture(scope="module")
def secure(folder: Path) -> Iterator[Server]:
    sha256 = hashlib.sha256(TOKEN.encode()).hexdigest()
    with Server(CONFIG.format(sha256=sha256), folder) as server:
        yield server


def address(server: Server, scheme: str = "") -> str:
    return f"{scheme}localhost:{server.address.rpartition(':')[2]}"


async def test_a_token_over_tls(
    secure: Server, folder: Path, client_class: type[AnyClient]
) -> None:
    for url in (address(secure), address(secure, "https://")):
        client = client_class(url, token=TOKEN, tls=kvgate.Tls(ca_file=folder / "ca.pem"))
        await settle(client.collection().put("key", {"n": 1}))
        with pytest.raises(kvgate.PermissionDeniedError) as caught:
            await settle(client.cull())
        assert caught.value.reason == "NOT_ALLOWED"
        await settle(client.close())


async def test_a_client_certificate(
    secure: Server, folder: Path, client_class: type[AnyClient]
) -> None:
    tls = kvgate.Tls(folder / "ca.pem", folder / "job.pem", folder / "job.key")
    client = client_class(address(secure), tls=tls)
    await settle(client.collection().put("key", {"n": 1}))
    await settle(client.close())


async def test_a_server_by_another_name(
    secure: Server, folder: Path, client_class: type[AnyClient]
) -> None:
    tls = kvgate.Tls(folder / "ca.pem", server_name="kvgate.example")
    client = client_class(secure.address, token=TOKEN, tls=tls)
    await settle(client.collection().put("key", {"n": 1}))
    await settle(client.close())


async def test_tokens_from_functions_and_files(
    secure: Server, folder: Path, client_class: type[AnyClient]
) -> None:
    tls = kvgate.Tls(ca_file=folder / "ca.pem")
    client = client_class(address(secure), token=lambda: TOKEN, tls=tls)
    await settle(client.collection().get("key"))
    await settle(client.close())
    client = client_class(address(secure), token_file=folder / "token", tls=tls)
    await settle(client.collection().get("key"))
    await settle(client.close())


async def test_an_asynchronous_token(secure: Server, folder: Path) -> None:
    async def token() -> str:
        return TOKEN

    tls = kvgate.Tls(ca_file=folder / "ca.pem")
    async with kvgate.AsyncClient(address(secure), token=token, tls=tls) as client:
        await client.collection().get("key")
    blocking = kvgate.Client(address(secure), token=token, tls=tls)
    with pytest.raises(TypeError, match="AsyncClient"):
        blocking.collection().get("key")
    blocking.close()


async def test_no_token_and_a_wrong_one(
    secure: Server, folder: Path, client_class: type[AnyClient]
) -> None:
    tls = kvgate.Tls(ca_file=folder / "ca.pem")
    for token, reason in [(None, "CREDENTIALS_MISSING"), ("wrong", "CREDENTIALS_INVALID")]:
        client = client_class(address(secure), token=token, tls=tls)
        with pytest.raises(kvgate.UnauthenticatedError) as caught:
            await settle(client.collection().get("key"))
        assert caught.value.reason == reason
        assert "wrong" not in str(caught.value)
        await settle(client.close())


async def test_a_server_that_is_not_trusted(secure: Server, client_class: type[AnyClient]) -> None:
    client = client_class(address(secure, "https://"), attempts_max=1)
    with pytest.raises(kvgate.UnavailableError):
        await settle(client.collection().get("key"))
    await settle(client.close())


def test_a_token_is_not_sent_in_the_open(client_class: type[AnyClient]) -> None:
    with pytest.raises(ValueError, match="allow_insecure_token"):
        client_class("kvgate.example:50051", token=TOKEN)
    with pytest.raises(ValueError, match="allow_insecure_token"):
        client_class("http://10.0.0.1:50051", token_file="token")
    client_class("kvgate.example:50051", token=TOKEN, allow_insecure_token=True)
    client_class("unix:///run/kvgate.sock", token=TOKEN)


async def test_what_no_header_can_carry_is_not_shown(client_class: type[AnyClient]) -> None:
    client = client_class("localhost:1", token="secret\n")
    with pytest.raises(ValueError, match="the token is empty, or has") as caught:
        await settle(client.collection().get("key"))
    assert "secret" not in str(caught.value)
    for metadata in ({"Name": "value"}, {"name-bin": "value"}, {"name": "secret\n"}):
        with pytest.raises(ValueError, match="metadata") as caught:
            client.collection().with_options(metadata=metadata)
        assert "secret" not in str(caught.value)
    await settle(client.close())


def test_a_token_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("one\n")
    token = TokenFile(path)
    assert (token(), token()) == ("one", "one")
    new = tmp_path / "new"
    new.write_text("two\n")
    os.replace(new, path)
    assert token() == "two"
    assert "two" not in repr(token)


async def test_a_unix_socket(tmp_path: Path, client_class: type[AnyClient]) -> None:
    socket = f"unix:{tmp_path}/kvgate.sock"
    with Server('[stores.main]\ntype = "memory"\n', tmp_path, listen=socket):
        client = client_class(socket)
        await settle(client.collection().put("key", {}))
        await settle(client.close())


@pytest.mark.parametrize(
    ("written", "name", "encrypted", "local"),
    [
        ("localhost:50051", "localhost:50051", False, True),
        ("127.0.0.2:1", "127.0.0.2:1", False, True),
        ("[::1]:1", "[::1]:1", False, True),
        ("ipv6:[::1]:1", "ipv6:[::1]:1", False, True),
        ("dns:///localhost:1", "dns:///localhost:1", False, True),
        ("unix:/a/b", "unix:/a/b", False, True),
        ("localhost.example:1", "localhost.example:1", False, False),
        ("10.0.0.1:1", "10.0.0.1:1", False, False),
        ("dns:///kvgate-headless:1", "dns:///kvgate-headless:1", False, False),
        ("http://kvgate", "kvgate:80", False, False),
        ("https://kvgate/", "kvgate:443", True, False),
        ("https://[::1]", "[::1]:443", True, True),
        ("https://kvgate:1", "kvgate:1", True, False),
    ],
)
def test_addresses(written: str, name: str, encrypted: bool, local: bool) -> None:
    target = Target.parse(written, None)
    assert (target.name, target.tls is not None, target.is_local) == (name, encrypted, local)


@pytest.mark.parametrize("written", ["", "https://user:secret@kvgate", "https://kvgate/path"])
def test_bad_addresses(written: str) -> None:
    with pytest.raises(ValueError, match="address") as caught:
        kvgate.Client(written)
    assert "secret" not in str(caught.value)


def test_settings_that_contradict() -> None:
    for options in (
        {"tls": kvgate.Tls(), "address": "http://kvgate"},
        {"token": "a", "token_file": "b"},
        {"connections": 0},
        {"attempts_max": 0},
        {"tls": kvgate.Tls(cert_file="only.pem")},
    ):
        with pytest.raises(ValueError):  # noqa: PT011
            kvgate.Client(**options)
