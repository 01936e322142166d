"""Starts real kvgate servers."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

REPOSITORY = Path(__file__).parents[3]
CASES = REPOSITORY / "clients" / "cases"


class Server:
    """A kvgate process with a configuration of its own."""

    def __init__(
        self, config: str, folder: Path | None = None, listen: str = "127.0.0.1:0"
    ) -> None:
        self._config = config
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="kvgate-python-")
        self._folder = folder or Path(self._temporary.name if self._temporary else "")
        self._listen = listen
        self._process: subprocess.Popen[str] | None = None
        self.address = ""

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        if self._temporary is not None:
            self._temporary.cleanup()

    def start(self) -> None:
        """Starts the process and waits until it listens."""
        folder = self._folder
        config = folder / "kvgate.toml"
        config.write_text(self._config)
        log = (folder / "kvgate.log").open("a")
        self._process = subprocess.Popen(
            [binary(), "serve", "--config", config],
            env={**os.environ, "KVGATE_SERVER__LISTEN": self._listen},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        log.close()
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("kvgate listening on "):
            self.stop()
            raise RuntimeError(f"kvgate did not start: {(folder / 'kvgate.log').read_text()}")
        self.address = line.removeprefix("kvgate listening on ").strip()
        # A server that is started again has the same address.
        self._listen = self.address

    def stop(self) -> None:
        """Ends the process."""
        assert self._process is not None
        assert self._process.stdout is not None
        if self._process.stdout.closed:
            return  # a test has stopped it already
        self._process.terminate()
        self._process.wait(timeout=30)
        self._process.stdout.close()


def binary() -> Path:
    """Where the server's binary is."""
    if "KVGATE_BIN" in os.environ:
        path = Path(os.environ["KVGATE_BIN"])
    else:
        target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
        path = target / "debug" / "kvgate"
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: build it by cargo build -p kvgate")
    return path
