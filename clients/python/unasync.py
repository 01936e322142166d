#!/usr/bin/env python3
"""Makes the blocking client from the one for asyncio: `unasync.py`; `--check` only compares.

Every file of `kvgate/_async` but `transport.py`, whose twin is written by hand with all
that differs, becomes one of
`kvgate/_sync` by exchanging the words below.
"""

import re
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent / "src" / "kvgate"
WRITTEN_BY_HAND = {"__init__.py", "early_status.py", "transport.py"}
NOTICE = "# Made from kvgate/_async by unasync.py: edit that.\n"

WORDS = [
    (r"async (def|with|for) ", r"\1 "),
    (r"\bawait ", ""),
    (r"\bfrom grpc import aio\b", "import grpc"),
    (r"\baio\.", "grpc."),
    (r"\baclosing\b", "closing"),
    (r"\bAsyncGenerator\[(.+), None\]", r"Generator[\1, None, None]"),
    (r"__a(enter|exit)__", r"__\1__"),
    (r"\bAsync(Calls|Client|Collection|Generator|Load|Transport)\b", r"\1"),
    (r"\bkvgate\._async\b", "kvgate._sync"),
]


def main() -> int:
    check = "--check" in sys.argv[1:]
    stale = []
    for source in sorted((PACKAGE / "_async").glob("*.py")):
        if source.name in WRITTEN_BY_HAND:
            continue
        target = PACKAGE / "_sync" / source.name
        text = formatted(NOTICE + without_async(source.read_text()))
        if not target.exists() or target.read_text() != text:
            stale.append(target)
            if not check:
                target.write_text(text)
    for target in stale:
        print(f"{'not current' if check else 'written'}: {target.relative_to(PACKAGE)}")
    return 1 if check and stale else 0


def without_async(text: str) -> str:
    for word, replacement in WORDS:
        text = re.sub(word, replacement, text)
    return text


def formatted(text: str) -> str:
    """Imports have another order under other names, and lines are shorter."""
    for arguments in (["check", "--quiet", "--select=I", "--fix", "-"], ["format", "-"]):
        command = [sys.executable, "-m", "ruff", *arguments]
        text = subprocess.run(
            command, input=text, capture_output=True, text=True, check=True
        ).stdout
    return text


if __name__ == "__main__":
    sys.exit(main())
