"""Everything that the documentation names exists: paths, modules, make targets, fab tasks, and identifiers on design pages."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FOLDERS = (".ci", "ansible", "configs", "docs", "master", "tests", "worker")
PAGES = sorted([*ROOT.glob("*.md"), ROOT / "ansible/README.md", *(ROOT / "docs").rglob("*.md")])
BY_READERS = {"ansible/inventory/lab.yml"}
"""Paths of files that a reader makes."""
EXACT = [page for page in PAGES if "docs/design" in page.as_posix() or page.name == "CONTRIBUTING.md"]
"""Pages for who reads the code: each identifier in them is one of the code's."""

_PATH = re.compile(rf"(?<![\w./$~-])(?:{'|'.join(map(re.escape, FOLDERS))})/[\w./*-]*")
_MODULE = re.compile(r"(?<![\w./-])(?:master|worker)(?:\.[A-Za-z_]\w*)+(?![\w/(-])")
_CODE = re.compile(r"^```.*?^```|(?<!`)`[^`\n]+`", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`")
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)")
_IDENTIFIER = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?:\(\))?")
_SOURCES = ("*.py", "*.sh", "*.yml", "*.j2", "*.toml", "*.js", "Makefile")


def is_there(path: str) -> bool:
    """Return whether a path, perhaps with `*`, exists in the repository; a folder with byte code alone does not."""
    found = ROOT.glob(path.rstrip("/")) if "*" in path else [ROOT / path]
    return any(each.is_file() or (each.is_dir() and any(map(_is_source, each.rglob("*")))) for each in found)


def _is_source(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts


def paths_in(text: str) -> Iterator[str]:
    """Return every path in `text` that begins with a folder of the repository."""
    for found in _PATH.finditer(text):
        path = found.group().rstrip(".-")
        if path not in BY_READERS:
            yield path


def resolves(name: str) -> bool:
    """Return whether a dotted name is a module, what a module defines or imports, or a member of a class there."""
    first, *rest = name.split(".")
    place = ROOT / first
    while rest and (place / rest[0]).is_dir() and is_there(str((place / rest[0]).relative_to(ROOT))):
        place /= rest.pop(0)
    if rest and (place / f"{rest[0]}.py").is_file():
        place /= f"{rest.pop(0)}.py"
    if not rest:
        return True
    return tuple(rest) in _defined(place if place.is_file() else place / "__init__.py")


@cache
def _defined(file: Path) -> frozenset[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    if not file.is_file():
        return frozenset()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        names = list(_names_of(node))
        found |= {(name,) for name in names}
        if isinstance(node, ast.ClassDef):
            found |= {(node.name, name) for member in node.body for name in _names_of(member)}
    return frozenset(found)


def _names_of(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            yield node.name
        case ast.Assign():
            yield from (name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case ast.Import() | ast.ImportFrom():
            yield from (alias.asname or alias.name for alias in node.names)


def code_in(text: str) -> str:
    """Return the code spans and blocks of `text`, a line each."""
    return "\n".join(found.group().strip("`") for found in _CODE.finditer(text))


def commands_in(text: str, program: str) -> Iterator[str]:
    """Return the words after `program` in the code of `text`, where it is the command."""
    for found in re.finditer(
        rf"(?:^|[\s/]){program} (?:--?[a-z]\S* )*([a-z][a-z-]*)\b(?![=.])", code_in(text), re.MULTILINE
    ):
        yield found[1]


@cache
def make_targets() -> frozenset[str]:
    return frozenset(
        re.findall(r"^([a-z][a-z-]*):(?!=)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )


@cache
def fab_tasks() -> frozenset[str]:
    found = re.findall(
        r"^def (\w+)\(\s*command: Command", (ROOT / "fabfile.py").read_text(encoding="utf-8"), re.MULTILINE
    )
    return frozenset(name.replace("_", "-") for name in found)


@cache
def words_of_the_code() -> frozenset[str]:
    """Return every word of the sources, apart from those of this test."""
    files = [file for pattern in _SOURCES for folder in FOLDERS for file in (ROOT / folder).rglob(pattern)]
    files += [file for pattern in _SOURCES for file in ROOT.glob(pattern)]
    return frozenset(
        word
        for file in files
        if file != Path(__file__) and _is_source(file)
        for word in re.findall(r"\w+", file.read_text(encoding="utf-8", errors="replace"))
    )


def unknown_words_in(text: str) -> list[str]:
    """Return identifiers in code spans of `text` of which a part is no word of the code."""
    spans = [span for span in _SPAN.findall(text) if _IDENTIFIER.fullmatch(span) and not span.endswith(".md")]
    return [span for span in spans if not set(re.findall(r"\w+", span)) <= words_of_the_code()]


def faults_of(text: str, folder: Path) -> list[str]:
    """Return everything that a page in `folder` names and that does not exist."""

    def missing(kind: str, names: Iterator[str], known: Callable[[str], bool]) -> list[str]:
        return [f"{kind} {name}" for name in dict.fromkeys(names) if not known(name)]

    return [
        *missing("path", paths_in(text), is_there),
        *missing("module", (found.group() for found in _MODULE.finditer(text)), resolves),
        *missing("make", commands_in(text, "make"), make_targets().__contains__),
        *missing("fab", commands_in(text, "fab"), fab_tasks().__contains__),
        *missing("link", iter(_LINK.findall(text)), lambda link: (folder / link).exists()),
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_names_is_there(page: Path) -> None:
    """Paths, modules and what they define, make targets, fab tasks and links on a page exist."""
    assert faults_of(page.read_text(encoding="utf-8"), page.parent) == []


@pytest.mark.parametrize("page", EXACT, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_identifiers_on_a_page_about_the_code_are_the_codes(page: Path) -> None:
    """Identifiers on a page about the code are words of the code, so that a renamed one is found."""
    assert unknown_words_in(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("see master/judge/verdikt.py", "path master/judge/verdikt.py"),
        ("see `tests/data/pi/*/nothing.txt`.", "path tests/data/pi/*/nothing.txt"),
        ("in `worker/telemetri/`", "path worker/telemetri/"),
        ("`worker.agent.servant`", "module worker.agent.servant"),
        ("`from worker.http import HttpUsr` is worker.http.HttpUsr", "module worker.http.HttpUsr"),
        ("worker.load.histogram.Histogram.percentage", "module worker.load.histogram.Histogram.percentage"),
        ("`make chekc`", "make chekc"),
        ('```\nmake faults\nmake fault FAULTS="--only L1"\n```', "make fault"),
        ("`.venv/bin/fab deploy-worker --limit x`", "fab deploy-worker"),
        ("[a table](performance/none.md)", "link performance/none.md"),
    ],
)
def test_a_wrong_name_is_found(text: str, fault: str) -> None:
    """A wrong name is found in prose, in code spans and in code blocks."""
    assert faults_of(text, ROOT / "docs") == [fault]


@pytest.mark.parametrize(
    "text",
    [
        "see master/judge/verdict.py, `tests/data/pi/*/files.txt` and docs/.",
        "worker.http.HttpUser, worker.load.histogram.Histogram.percentile, worker.agent and master.cli:main",
        "`make test`, `make PYTHON=/usr/bin/python3 lint`; make sure, make it so",
        "`.venv/bin/fab logs --follow`, `fab --list`, `fab --help TASK`",
        "https://example.org/docs/none.md, runs/docs/none.md, ansible/inventory/lab.yml",
        "[a table](performance/http-user.md#tls), [elsewhere](https://example.org/none.md)",
    ],
)
def test_right_names_are_left_alone(text: str) -> None:
    """Right names, and text that merely looks like a name, are left alone."""
    assert faults_of(text, ROOT / "docs") == []


def test_identifiers_are_held_against_the_code() -> None:
    """Each part of an identifier must be a word of the code; commands and sentences are no identifiers."""
    assert unknown_words_in("`Histogram.percentile`, `latency_ms`, `p95 < 5 ms`, `a b`, `HistogramOfNothing`") == [
        "HistogramOfNothing"
    ]
