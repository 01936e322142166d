"""The examples and the README's first lines run as they stand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server import Server

FOLDER = Path(__file__).parents[1]

SAID = {
    "quickstart.py": "{'name': 'Ada', 'cart': [1, 2]}\nNone\nlives 3600 seconds more\n",
    "bulk.py": "25000 of 100000\n50000 of 100000\n75000 of 100000\n100000 of 100000\n"
    "stored 100000\nthe warmest of sensor 1: 24.9\n",
    "errors.py": "INVALID_KEY in entries[1].key: key is empty\nSTORE_NOT_FOUND: elsewhere\n"
    "INVALID_ARGUMENT INVALID_VALUE\nnot reached, tried 2 times\n",
}


def test_every_example_is_known() -> None:
    assert {path.name for path in (FOLDER / "examples").glob("*.py")} == set(SAID)


@pytest.mark.parametrize("name", SAID)
def test_example(name: str, server: Server) -> None:
    command = [sys.executable, str(FOLDER / "examples" / name), server.address]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (run.stdout, run.stderr) == (SAID[name], "")


def test_the_readme_keeps_its_word(server: Server) -> None:
    code = re.findall(r"```python\n(.*?)```", (FOLDER / "README.md").read_text(), re.DOTALL)[0]
    code = code.replace("localhost:50051", server.address)
    # Every line with a comment says what it gives.
    code = re.sub(
        r"^( +)(\S.*?) +# (.*)$", r"\1said.append((\2, '''\3'''))", code, flags=re.MULTILINE
    )
    names: dict[str, list[tuple[object, str]]] = {"said": []}
    exec(code, names)
    assert len(names["said"]) == 4
    for answer, promised in names["said"]:
        shown = f"{answer:.0f}" if isinstance(answer, float) else repr(answer)
        assert shown == ("3600" if isinstance(answer, float) else promised)
