"""How to reach a server: its address, TLS, tokens, and what gRPC is told."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import grpc

from kvgate._version import __version__

TIMEOUT_SECONDS = 10.0
"""How long a call that is no stream may take, with all its tries, if nothing else is said."""
MESSAGE_BYTES_MAX = 64 * 1024 * 1024
"""The largest message taken from the server; what a value may be is the server's limit."""
KEEPALIVE_SECONDS = 30.0
"""A connection with calls that is silent for so long is asked whether it lives."""
KEEPALIVE_TIMEOUT_SECONDS = 10.0
"""And is given up if it doesn't answer within this."""

_METADATA_NAME = re.compile(r"[a-z0-9_.-]+")

PathLike: TypeAlias = "str | os.PathLike[str]"
Token: TypeAlias = str | Callable[[], str | Awaitable[str]]
"""A bearer token, or what gives one for each call, such as one of an identity provider.
Only `AsyncClient` takes a function that must be awaited."""


@dataclass(frozen=True)
class Tls:
    """How to encrypt, and whom to trust.

    ```python
    Client("kvgate.example:443", tls=Tls())                        # the system's authorities
    Client("kvgate.example:443", tls=Tls(ca_file="ca.pem"))
    Client("10.1.2.3:443", tls=Tls(cert_file="me.pem", key_file="me.key", server_name="kvgate"))
    ```
    """

    ca_file: PathLike | None = None
    """Certificates of the authorities to trust, in PEM; those of the system if None."""
    cert_file: PathLike | None = None
    """The client's own certificate, in PEM, for servers that ask for one (mTLS)."""
    key_file: PathLike | None = None
    """The key of that certificate."""
    server_name: str | None = None
    """The name that the server's certificate must have, if it isn't that of the address."""

    def credentials(self) -> grpc.ChannelCredentials:
        """Reads the files."""
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together: give both or none")
        return grpc.ssl_channel_credentials(
            root_certificates=_system_roots() if self.ca_file is None else _read(self.ca_file),
            private_key=None if self.key_file is None else _read(self.key_file),
            certificate_chain=None if self.cert_file is None else _read(self.cert_file),
        )


@dataclass(frozen=True)
class Target:
    """Where a server is, as gRPC takes it."""

    name: str
    tls: Tls | None

    @classmethod
    def parse(cls, address: str, tls: Tls | None) -> Target:
        """Reads `HOST:PORT`, a URL (`http`, `https`, `unix`) or any target of gRPC's."""
        scheme, separator, rest = address.partition("://")
        if separator and scheme in ("http", "https"):
            if scheme == "http" and tls is not None:
                raise ValueError("an http address has no TLS: write https, or leave tls out")
            name = rest.rstrip("/")
            if "/" in name or "@" in name:
                raise ValueError("an address is a scheme, a host and a port, nothing more")
            if scheme == "https":
                tls = tls or Tls()
            if _port(name) is None:
                name += ":443" if scheme == "https" else ":80"
            return cls(name, tls)
        if not address:
            raise ValueError("the address is empty: give HOST:PORT")
        return cls(address, tls)

    @property
    def is_local(self) -> bool:
        """Whether what is sent there stays on this machine."""
        name = self.name
        if name.startswith(("unix:", "unix-abstract:")):
            return True
        for prefix in ("dns:///", "dns:", "ipv4:", "ipv6:"):
            name = name.removeprefix(prefix)
        port = _port(name)
        host = name if port is None else name[: -len(port) - 1]
        if host == "localhost":
            return True
        try:
            return ipaddress.ip_address(host.strip("[]")).is_loopback
        except ValueError:
            return False


def _port(name: str) -> str | None:
    before, colon, port = name.rpartition(":")
    # The colons of [::1] and ::1 are no port's.
    bare_ipv6 = ":" in before and not before.endswith("]")
    return port if colon and port.isdecimal() and not bare_ipv6 else None


@dataclass(frozen=True)
class Settings:
    """What a client was told, checked."""

    target: Target
    token: Token | None = field(repr=False)
    timeout: float | None
    attempts_max: int
    connections: int
    options: tuple[tuple[str, Any], ...]

    @classmethod
    def check(
        cls,
        address: str,
        *,
        tls: Tls | None,
        token: Token | None,
        token_file: PathLike | None,
        allow_insecure_token: bool,
        timeout: float | None,
        attempts_max: int,
        connections: int,
        message_bytes_max: int,
    ) -> Settings:
        """Checks what belongs together."""
        target = Target.parse(address, tls)
        if token is not None and token_file is not None:
            raise ValueError("give token or token_file, not both")
        if token_file is not None:
            token = TokenFile(token_file)
        private = target.tls is not None or target.is_local
        if token is not None and not private and not allow_insecure_token:
            raise ValueError(
                "the token would be sent where others can read it: use tls, "
                "or say allow_insecure_token=True"
            )
        if connections < 1 or attempts_max < 1:
            raise ValueError("connections and attempts_max are at least 1")
        options: list[tuple[str, Any]] = [
            ("grpc.primary_user_agent", f"kvgate-python/{__version__}"),
            ("grpc.max_receive_message_length", message_bytes_max),
            ("grpc.keepalive_time_ms", int(KEEPALIVE_SECONDS * 1000)),
            ("grpc.keepalive_timeout_ms", int(KEEPALIVE_TIMEOUT_SECONDS * 1000)),
            ("grpc.keepalive_permit_without_calls", 0),
            # A server that restarts should be found again soon.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 1_000),
            ("grpc.max_reconnect_backoff_ms", 5_000),
            # Channels to the same address would otherwise share one connection.
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.service_config", _SERVICE_CONFIG),
        ]
        if target.tls is not None and target.tls.server_name is not None:
            options += [
                ("grpc.ssl_target_name_override", target.tls.server_name),
                ("grpc.default_authority", target.tls.server_name),
            ]
        elif target.name.startswith("unix"):
            # gRPC would send the path, escaped in a way that Rust's HTTP/2 library refuses.
            options.append(("grpc.default_authority", "localhost"))
        return cls(target, token, timeout, attempts_max, connections, tuple(options))


# All addresses that a name has, such as those of a headless service, get calls in turn. There is no
# retryPolicy: gRPC's doesn't read the server's RetryInfo, so calls are retried in `_retry`.
_SERVICE_CONFIG = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})


class TokenFile:
    """Gives the token in a file, which is read again when it changes."""

    def __init__(self, path: PathLike) -> None:
        self._path = Path(path)
        self._seen: tuple[int, int, int] | None = None
        self._token = ""

    def __call__(self) -> str:
        """Gives the token, from the file only if that has changed."""
        stat = self._path.stat()
        seen = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if seen != self._seen:
            self._token = self._path.read_text().strip()
            self._seen = seen
        return self._token

    def __repr__(self) -> str:
        return f"TokenFile({str(self._path)!r})"


def checked_token(token: str) -> str:
    """Refuses a token that no header can carry: gRPC's own error would show it."""
    if not token or not token.isascii() or not token.isprintable():
        raise ValueError("the token is empty, or has characters that no header may have")
    return token


def checked_metadata(metadata: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Refuses metadata that gRPC would, because its error shows all of it, tokens too."""
    for name, value in metadata.items():
        if not _METADATA_NAME.fullmatch(name) or name.endswith("-bin"):
            raise ValueError(f"metadata can't be named {name!r}: use a-z, 0-9, _, - and .")
        if not value.isascii() or not value.isprintable():
            raise ValueError(f"the metadata {name!r} has characters that no header may have")
    return tuple(metadata.items())


def _system_roots() -> bytes | None:
    """The authorities that this system trusts, as Python's `ssl` finds them.

    gRPC alone would take the list that it has within itself, which is what None asks for here.
    """
    context = ssl.create_default_context()
    certificates = context.get_ca_certs(binary_form=True)
    return "".join(map(ssl.DER_cert_to_PEM_cert, certificates)).encode() or None


def _read(path: PathLike) -> bytes:
    return Path(path).read_bytes()
