"""Rules of imports: the node's package imports no controller, a real node no simulation, a pure module no clock or socket."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("master", "worker")

PURE = (
    "worker.due_task",
    "worker.load.arrivals.curve",
    "worker.load.arrivals.free_users",
    "worker.load.arrivals.order_statistics",
    "worker.load.arrivals.schedule",
    "worker.load.arrivals.starter",
    "worker.load.arrivals.stripes",
    "worker.load.histogram",
    "worker.load.rows.content",
    "worker.load.rows.spans",
    "worker.load.rows.stock",
    "worker.log_lines",
    "worker.simulation.boards",
    "worker.simulation.power_supply",
    "worker.simulation.thermal_model",
    "worker.simulation.virtual_cores",
    "worker.telemetry.conditions",
    "worker.telemetry.pi.models",
    "worker.tracing.conventions",
    "worker.tracing.span",
    "worker.wire.bounds",
    "worker.wire.messages",
    "worker.wire.reports",
    "worker.wire.rows",
    "worker.wire.work",
    "master.analysis",
    "master.audit.answer",
    "master.audit.budget",
    "master.audit.example",
    "master.audit.finding",
    "master.audit.openapi",
    "master.audit.sign_in",
    "master.data.lease_book",
    "master.environments.file_format",
    "master.hooks.model",
    "master.hooks.orders",
    "master.hooks.sender.queue",
    "master.fleet.capacity",
    "master.fleet.clocks",
    "master.fleet.reports.credible_reports",
    "master.fleet.dispatch",
    "master.fleet.user_mix",
    "master.fleet.registry",
    "master.fleet.reports.checks",
    "master.fleet.states",
    "master.judge",
    "master.load",
    "master.project.archive.parts",
    "master.project.checks.class_checks",
    "master.project.checks.names",
    "master.project.process.facts",
    "master.project.process.figures",
    "master.run.real_nodes.module_check",
    "master.run.real_nodes.naming",
    "master.scenario",
    "master.services.addresses",
    "master.services.health.assessment",
    "master.services.health.losses",
    "master.services.model",
    "master.services.payment.named_hosts",
    "master.services.order",
    "master.services.payment.rules",
    "master.services.health.probes",
    "master.services.schema",
    "master.services.tree",
    "master.services.payment.tron",
    "master.target.auth.addresses",
    "master.target.auth.lockout",
    "master.target.auth.revocations",
    "master.target.chain.consensus.pace",
    "master.target.chain.consensus.rounds",
    "master.target.chain.consensus.votes",
    "master.target.chain.ledger",
    "master.target.nodes.hardware",
    "master.target.nodes.liveness",
    "master.target.nodes.pools",
    "master.target.poot.payout",
    "master.target.poot.records",
    "master.target.poot.scores",
    "master.target.rdp.allocation",
    "master.target.rdp.ports",
    "master.target.rdp.protocol",
    "master.target.rdp.states",
)
"""What does nothing but work things out: time, readings and rows are parameters."""
IMPURE = ("socket", "time", "subprocess", "threading", "psutil", "gevent", "locust", "zmq")

# A package or module, and what it may not import. What is in the narrower of the two may import what is in it, too.
RULES = [
    ("worker", "master"),
    ("worker", "worker.simulation"),
    ("master.target", "master"),
    ("master.target", "worker"),
    ("master.audit", "locust"),
    ("master.audit", "gevent"),
    ("master.deploy", "locust"),
    ("master.deploy", "gevent"),
    ("master.nodes", "locust"),
    ("master.nodes", "gevent"),
    ("master.logs", "locust"),
    ("master.logs", "gevent"),
    ("master.hooks", "locust"),
    ("master.hooks", "gevent"),
    *(
        ("worker.http.protocol", forbidden)
        for forbidden in ("gevent", "locust", "select", "socket", "ssl", "time", "worker.http.transport")
    ),
    ("master.judge", "master.report"),
    *((module, impure) for module in PURE for impure in IMPURE),
    *(("master.store", heavy) for heavy in ("pydantic", "yaml", "locust", "gevent", "master.scenario")),
]


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def imported(source: str, module: str, *, is_package: bool = False) -> Iterator[str]:
    """Return every module that `source` imports, anywhere in it, by absolute name; `module` is its own name."""
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


def is_broken(rule: tuple[str, str], module: str, name: str) -> bool:
    """Return whether `module` breaks a rule by importing `name`."""
    package, forbidden = rule
    narrower = package if within(package, forbidden) else forbidden
    return (
        within(module, package)
        and within(name, forbidden)
        and not (within(module, narrower) and within(name, narrower))
    )


def violations(source: str, module: str, *, is_package: bool = False) -> list[str]:
    """Return each import in `source` that a rule forbids to `module`."""
    return [
        f"{module} imports {name}, which {rule[0]} must not"
        for name in imported(source, module, is_package=is_package)
        for rule in RULES
        if is_broken(rule, module, name)
    ]


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def test_no_module_imports_what_its_package_must_not() -> None:
    """No module imports what a rule forbids to its package, also not inside of a function."""
    found = list(modules())
    assert {"worker.wire.messages", "master.run", "master.target.app"} <= {module for module, _ in found}
    assert not [
        violation
        for module, path in found
        for violation in violations(path.read_text(), module, is_package=path.name == "__init__.py")
    ]


@pytest.mark.parametrize("rule", RULES, ids=" without ".join)
def test_each_rule_is_about_a_module_that_is_there_and_catches_it(rule: tuple[str, str]) -> None:
    """Each rule names modules that exist and catches its case, so that a module that moves does not escape it unseen."""
    package, forbidden = rule
    assert any(within(module, package) for module, _ in modules())
    assert any(
        f"imports {forbidden}.x, which {package} must" in each for each in violations(f"import {forbidden}.x", package)
    )


@pytest.mark.parametrize("module", ["worker.agent.service", "worker.agent.node", "worker.load.process.__main__"])
def test_the_processes_of_a_real_node_load_no_simulation(module: str) -> None:
    """The processes of a real node load no simulation, also not through what they import."""
    code = f"import sys, {module}; print(*(name for name in sys.modules if name.startswith('worker.simulation')))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert loaded.split() == []


@pytest.mark.parametrize(
    ("module", "source", "name"),
    [
        ("worker.agent.calibration", "from worker.simulation.boards import BOARDS", "worker.simulation.boards.BOARDS"),
        ("worker.atomic_write", "import worker.simulation.rack", "worker.simulation.rack"),
        ("worker.http.user", "from worker import simulation", "worker.simulation"),
        ("worker.load.histogram", "from time import monotonic", "time.monotonic"),
        ("master.judge.verdict", "def now():\n    import time", "time"),
        ("master.fleet.states", "import socket", "socket"),
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
        ("master.target.sessions.router", "from ...errors import InputError", "master.errors.InputError"),
        ("master.target.app", "from worker.wire.messages import Facts", "worker.wire.messages.Facts"),
        ("master.deploy.hosts", "import locust", "locust"),
        ("master.deploy.hosts", "from locust.env import Environment", "locust.env.Environment"),
        ("master.deploy.hosts", "import gevent.monkey", "gevent.monkey"),
        ("master.store.rows", "from pydantic import BaseModel", "pydantic.BaseModel"),
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
    """Each rule catches every form of Python's import statement that breaks it."""
    (violation,) = violations(source, module)
    assert violation.startswith(f"{module} imports {name}, ")


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("worker.simulation.rack", "import locust\nfrom worker.wire.messages import Facts\nfrom . import agent"),
        ("worker.simulation.rack", "import time, gevent\nfrom worker.simulation.boards import BOARDS"),
        ("worker.agent.agent", "import time, zmq\nfrom worker import simulations"),
        ("master.run", "import locust\nfrom worker.wire.messages import Facts\nfrom master.target import app"),
        ("master.target.app", "from master.target.auth import Tokens\nfrom .storage import Store\nfrom . import nodes"),
        ("master.deploy.hosts", "from master.errors import InputError\nimport worker\nimport locustfile_like"),
        ("mastermind", "import locust"),
        ("worker.simulation.rack", "import masterful"),
    ],
)
def test_what_the_rules_allow_is_left_alone(module: str, source: str) -> None:
    """Imports that the rules allow are left alone, also names that merely begin like a forbidden package's."""
    assert violations(source, module) == []


def test_relative_imports_of_a_package_itself_start_at_the_package() -> None:
    """`from . import x` is `a.x` both in `a/__init__.py` and in `a/b.py`."""
    assert list(imported("from . import app", "master.target", is_package=True)) == ["master.target.app"]
    assert list(imported("from . import app", "master.target.auth")) == ["master.target.app"]
    assert list(imported("from ..errors import E", "master.target", is_package=True)) == ["master.errors.E"]


def test_only_the_processes_that_export_import_opentelemetry() -> None:
    """A node without it imports every module but `__main__` ones, when its release is verified; nor does a controller need it."""
    importing = {
        module
        for module, path in modules()
        if any(within(name, "opentelemetry") for name in imported(path.read_text(encoding="utf-8"), module))
    }
    assert importing == {
        "worker.tracing.__main__",
        "master.web.metrics.otlp.__main__",
        "master.web.metrics.otlp.points",
    }


HEAVY = "{'pydantic', 'yaml', 'gevent', 'locust', 'zmq', 'numpy', 'scipy', 'pyarrow', 'jinja2', 'plotly', 'psutil'}"


@pytest.mark.parametrize("module", ["master.store", "master.cli"])
def test_what_is_to_answer_at_once_brings_in_nothing_heavy_through_what_it_imports(module: str) -> None:
    """Not even indirectly: `piswarm nodes` imports the store, and each command all that names commands and their options."""
    code = f"import sys, {module}; print(sorted({HEAVY} & sys.modules.keys()))"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert found.stdout == "[]\n"
