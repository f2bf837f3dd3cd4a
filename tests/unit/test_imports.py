"""Who may import whom: the node's package knows no controller, the target knows neither, and deploying needs no Locust."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("master", "worker")

# A package, and what nothing in it may import; a package's own modules are always allowed.
RULES = [
    ("worker", "master"),
    ("master.target", "master"),
    ("master.target", "worker"),
    ("master.deploy", "locust"),
    ("master.deploy", "gevent"),
    ("master.nodes", "locust"),
    ("master.nodes", "gevent"),
    ("master.nodes", "master.store"),
    ("master.scenario", "locust"),
    ("master.scenario", "gevent"),
    *(
        ("worker.http.protocol", forbidden)
        for forbidden in ("gevent", "locust", "select", "socket", "ssl", "time", "worker.http.transport")
    ),
]


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def imported(source: str, module: str, *, is_package: bool = False) -> Iterator[str]:
    """Every module that `source` imports, wherever in it, by absolute name; `module` is its own name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = module.split(".")
            base = base[: len(base) - node.level + is_package] if node.level else []
            origin = [*base, node.module] if node.module else base
            # What is imported may be a module itself: `from master import run`.
            yield from (".".join([*origin, alias.name]) for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            yield from (str(argument.value) for argument in node.args if isinstance(argument, ast.Constant))


def violations(source: str, module: str, *, is_package: bool = False) -> list[str]:
    """Each import in `source` that a rule forbids to `module`."""
    return [
        f"{module} imports {name}, which {package} must not"
        for name in imported(source, module, is_package=is_package)
        for package, forbidden in RULES
        if within(module, package) and within(name, forbidden) and not within(name, package)
    ]


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def test_no_module_imports_what_its_package_must_not() -> None:
    """All of the source, also what is imported inside of functions."""
    found = list(modules())
    assert {"worker.wire.messages", "master.run", "master.target.app"} <= {module for module, _ in found}
    assert not [
        violation
        for module, path in found
        for violation in violations(path.read_text(), module, is_package=path.name == "__init__.py")
    ]


@pytest.mark.parametrize(
    ("module", "source", "name"),
    [
        ("worker.simulation.rack", "import master", "master"),
        ("worker.simulation.rack", "import os, master.run as run", "master.run"),
        ("worker.simulation.rack", "from master import run", "master.run"),
        (
            "worker.simulation.rack",
            "def later():\n    from master.fleet.registry import Node",
            "master.fleet.registry.Node",
        ),
        ("worker.simulation.rack", "from ... import master", "master"),
        ("worker.simulation.rack", "import importlib\nimportlib.import_module('master.run')", "master.run"),
        ("master.target.app", "from master.errors import InputError", "master.errors.InputError"),
        ("master.target.app", "from ..errors import InputError", "master.errors.InputError"),
        ("master.target.app", "from worker.wire.messages import Facts", "worker.wire.messages.Facts"),
        ("master.deploy.hosts", "import locust", "locust"),
        ("master.deploy.hosts", "from locust.env import Environment", "locust.env.Environment"),
        ("master.deploy.hosts", "import gevent.monkey", "gevent.monkey"),
        ("master.scenario.model", "from locust import User", "locust.User"),
        ("master.scenario", "import gevent", "gevent"),
        ("worker.http.protocol.reader", "import socket", "socket"),
        (
            "worker.http.protocol.reader",
            "from worker.http.transport import tls",
            "worker.http.transport.tls",
        ),
    ],
)
def test_each_rule_catches_who_breaks_it(module: str, source: str, name: str) -> None:
    """In every way in which Python can import."""
    (violation,) = violations(source, module)
    assert violation.startswith(f"{module} imports {name}, ")


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("worker.simulation.rack", "import locust\nfrom worker.wire.messages import Facts\nfrom . import agent"),
        ("master.run", "import locust\nfrom worker.wire.messages import Facts\nfrom master.target import app"),
        ("master.target.app", "from master.target.auth import Tokens\nfrom .storage import Store\nfrom . import nodes"),
        ("master.deploy.hosts", "from master.errors import InputError\nimport worker\nimport locustfile_like"),
        ("mastermind", "import locust"),
        ("worker.simulation.rack", "import masterful"),
    ],
)
def test_what_the_rules_allow_is_left_alone(module: str, source: str) -> None:
    """Names that merely begin like a package's are not in it."""
    assert violations(source, module) == []


def test_relative_imports_of_a_package_itself_start_at_the_package() -> None:
    """`from . import x` in `a/__init__.py` is `a.x`, in `a/b.py` too."""
    assert list(imported("from . import app", "master.target", is_package=True)) == ["master.target.app"]
    assert list(imported("from . import app", "master.target.auth")) == ["master.target.app"]
    assert list(imported("from ..errors import E", "master.target", is_package=True)) == ["master.errors.E"]
