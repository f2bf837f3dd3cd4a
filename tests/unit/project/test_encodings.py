"""All reading and writing of text names UTF-8, so that files are the same under any locale."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCES = [*(ROOT / "master").rglob("*.py"), *(ROOT / "worker").rglob("*.py"), ROOT / "fabfile.py"]
PLACE = {"read_text": 0, "write_text": 1, "open": None, "fdopen": None}
"""Calls that take an encoding, and which argument it is when it is not named."""


def faults(source: str) -> Iterator[int]:
    """Return the lines of calls whose encoding would be the locale's."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        named = {keyword.arg: keyword.value for keyword in node.keywords}
        if "encoding" in named:
            continue
        texts = [value for key, value in named.items() if key in ("text", "universal_newlines")]
        if any(isinstance(value, ast.Constant) and value.value is True for value in texts):
            yield node.lineno
        elif name in ("read_text", "write_text") and isinstance(function, ast.Attribute):
            if len(node.args) <= PLACE[name]:
                yield node.lineno
        elif name in ("open", "fdopen") and ast.unparse(function) != "tarfile.open":
            modes = [value.value for value in [*node.args, *named.values()] if isinstance(value, ast.Constant)]
            modes = [mode for mode in modes if isinstance(mode, str) and set(mode) <= set("rwaxbt+")]
            method_of_a_path = isinstance(function, ast.Attribute) and not node.args and not named
            if (modes and "b" not in modes[0]) or (name == "open" and method_of_a_path and _is_path(function.value)):
                yield node.lineno


def _is_path(value: ast.expr) -> bool:
    """Return whether an `open()` without arguments is a file's, as far as its object's name tells."""
    return ast.unparse(value).rpartition(".")[2] in ("path", "file", "log") or isinstance(value, ast.BinOp)


def test_all_text_files_name_their_encoding() -> None:
    """All calls for text files name their encoding, in what runs on controllers and on nodes."""
    assert len(SOURCES) > 100
    found = [f"{path}:{line}" for path in SOURCES for line in faults(path.read_text(encoding="utf-8"))]
    assert not found


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("path.read_text()", 1),
        ("path.read_text('utf-8')", 0),
        ("path.write_text(text)", 1),
        ("path.write_text(text, 'utf-8')", 0),
        ("path.write_text(text, encoding='utf-8')", 0),
        ("(a / 'b').open()", 1),
        ("path.open('w')", 1),
        ("path.open('rb')", 0),
        ("os.fdopen(3, 'w')", 1),
        ("subprocess.run(['x'], text=True)", 1),
        ("subprocess.run(['x'], text=True, encoding='utf-8')", 0),
        ("subprocess.run(['x'], text=False)", 0),
        ("connection.open()", 0),
    ],
)
def test_what_counts_as_naming_it(source: str, count: int) -> None:
    """The check tells calls that name an encoding from those that don't."""
    assert len(list(faults(source))) == count
