"""Packages that a project needs of its nodes are known from its sources, and their lack is told by name, place and node."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from master.errors import AbortError
from master.fleet.registry import Node
from master.project.checks.needed_modules import needed_modules
from master.run.real_nodes.module_check import ModuleCheck
from master.run.real_nodes.naming import NAMING_S
from master.scenario import LocustProject
from worker.telemetry.modules import importable_modules
from worker.wire.messages import Facts

FACTS = Facts(
    simulated=False, model="Raspberry Pi 4", cpu_count=4, memory_bytes=4 << 30, os="Debian", python="3.11", piswarm="0"
)
TEXT = """
import json, numpy.linalg as linalg
from typing import TYPE_CHECKING
from locust import User
from worker.http import HttpUser
from lib import paths
import beside
if TYPE_CHECKING:
    import only_for_types
try:
    import faster
except ImportError:
    faster = None
try:
    import needed
except KeyError:
    pass
def late():
    import pandas
    import numpy
if __name__ == "__main__":
    import alone
"""


def test_what_is_imported_and_not_brought_along(tmp_path: Path) -> None:
    """Modules of Python's library, of the project and of piswarm are not needed, nor those whose lack is caught."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "own.py").write_text(TEXT)
    (tmp_path / "beside.py").touch()
    (tmp_path / "unused.py").write_text("import never")
    (tmp_path / "lib" / "paths.py").write_text("import deep\nfrom . import x\n")
    needed = needed_modules(LocustProject(tmp_path, (tmp_path / "own.py",), whole=True))
    assert {name: (file.name, line) for name, (file, line) in needed.items()} == {
        "numpy": ("own.py", 2),
        "locust": ("own.py", 4),
        "needed": ("own.py", 15),
        "pandas": ("own.py", 19),
        "deep": ("paths.py", 1),
    }


def test_nodes_that_lack_packages_are_named_in_one_message() -> None:
    """Each package with its place and the nodes that lack it; a node that does not tell what it has is believed to have all."""
    check = ModuleCheck(
        {"numpy": (Path("/p/own.py"), 2), "deep": (Path("/p/lib.py"), 1), "locust": (Path("/p/own.py"), 4)}
    )
    nodes = {name: Node(name) for name in ("pi1", "pi2", "pi3")}
    check.check(nodes, 0.0, begins=True)
    nodes["pi1"].facts = replace(FACTS, modules=["locust", "numpy"])
    nodes["pi2"].facts = replace(FACTS, modules=["locust"])
    check.check(nodes, 1.0, begins=False)
    with pytest.raises(AbortError) as caught:
        check.check(nodes, 1.0 + NAMING_S, begins=False)
    assert caught.value.message == (
        "nodes lack 2 packages\n  /p/lib.py:1: imports deep, which is not installed on pi1, pi2\n"
        "  /p/own.py:2: imports numpy, which is not installed on pi2"
    )
    nodes["pi1"].facts = nodes["pi2"].facts = nodes["pi3"].facts = FACTS
    check.check(nodes, 9.0, begins=True)


def test_what_a_node_can_import_is_known_without_importing_it(tmp_path: Path) -> None:
    """Modules, packages with and without __init__.py and shared libraries are told, data and Python's own library are not."""
    for name in (
        "flat.py",
        "fast.cpython-311-aarch64-linux-gnu.so",
        "package/__init__.py",
        "space/inner.py",
        "json.py",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for name in ("flat-1.0.dist-info", "__pycache__"):
        (tmp_path / name).mkdir()
    (tmp_path / "notes.txt").touch()
    assert importable_modules([str(tmp_path), str(tmp_path), "/nowhere"]) == ["fast", "flat", "package", "space"]
    assert {"locust", "gevent", "zmq", "worker"} <= set(importable_modules())
