"""The controller's messages to agents: which nodes it welcomes, and what it assigns to their workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from master.fleet.refusals import Refusals
from master.fleet.registry import Registry
from master.project.archive.parts import ProjectParts
from master.run.collect.agents import Agents
from master.run.real_nodes.module_check import ModuleCheck
from master.store import CONTROLLER, Store
from worker import __version__
from worker.wire.messages import (
    Assign,
    ClockRequest,
    ControllerMessage,
    Facts,
    Hello,
    ProjectPart,
    ProjectRequest,
    Welcome,
    WorkerEnded,
)
from worker.wire.work import Assignment, Project, UserShare, Work

FACTS = Facts(simulated=False, model="Pi 4", cpu_count=4, memory_bytes=1, os="o", python="p", piswarm=__version__)
WORK = Work("run", {"ApiUser": UserShare(weight=1)}, "http://127.0.0.1:9", 0, 0.0)
NODES = ("pi1", "pi2")
ASSIGNMENTS = {name: Assignment(WORK, number, len(NODES)) for number, name in enumerate(NODES)}


class Told:
    """Agents whose messages, events and store the test reads."""

    def __init__(self, directory: Path) -> None:
        self.messages: list[tuple[str, ControllerMessage]] = []
        self.events: list[tuple[str, str | None, str]] = []
        self.store = Store(directory / "run.db", create=True)
        self.registry = Registry(NODES)
        self.refused: Counter[str] = Counter()
        self.agents = Agents(
            self.registry,
            self.store,
            1.0,
            self,
            lambda *message: self.messages.append(message),
            refusals=Refusals(self.refused, self.event),
        )

    def event(self, kind: str, node: str | None, detail: str) -> None:
        self.events.append((kind, node, detail))


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    told = Told(tmp_path)
    yield told
    told.store.close()


def test_a_node_that_comes_is_given_something_to_do(told: Told) -> None:
    told.agents.assign(ASSIGNMENTS)
    told.agents.receive("pi2", Hello(FACTS), 5.0)
    assert told.messages == [("pi2", Welcome(1.0)), ("pi2", Assign(ASSIGNMENTS["pi2"])), ("pi2", ClockRequest(5.0))]


def test_who_was_there_before_there_was_something_to_do_is_told_then(told: Told) -> None:
    """A node that came before the workers were assigned gets its assignment then, and again when it comes again."""
    told.agents.receive("pi1", Hello(FACTS), 5.0)
    assert not [message for _, message in told.messages if isinstance(message, Assign)]
    told.agents.assign(ASSIGNMENTS)
    assert told.messages[-1] == ("pi1", Assign(ASSIGNMENTS["pi1"]))
    told.agents.receive("pi1", Hello(FACTS), 6.0)
    assert [message for _, message in told.messages if isinstance(message, Assign)] == 2 * [Assign(ASSIGNMENTS["pi1"])]


def test_a_node_without_what_the_project_imports_gets_no_work(told: Told) -> None:
    """A node that lacks a package is told of and gets no assignment, until it has the package."""
    told.agents.modules = ModuleCheck({"numpy": (Path("own.py"), 1)})
    told.agents.assign(ASSIGNMENTS)
    told.agents.receive("pi2", Hello(msgspec.structs.replace(FACTS, modules=["locust"])), 5.0)
    assert told.messages == [("pi2", Welcome(1.0)), ("pi2", ClockRequest(5.0))]
    assert told.events[-1] == ("lacks packages", "pi2", "it gets no work: numpy not installed")
    told.agents.receive("pi2", Hello(msgspec.structs.replace(FACTS, modules=["numpy"])), 6.0)
    assert ("pi2", Assign(ASSIGNMENTS["pi2"])) in told.messages


def test_a_project_is_handed_out_to_nodes_of_the_run_alone(told: Told, tmp_path: Path) -> None:
    """A node that has an assignment is sent the part that it asks for, and no one is once the run is over."""
    (tmp_path / "archive").write_bytes(b"abc")
    project = Project("0a" * 32, 3, 3)
    told.agents.parts = ProjectParts(tmp_path / "archive", project, lambda *message: told.messages.append(message))
    told.agents.assign({"pi1": ASSIGNMENTS["pi1"]})
    for name in ("pi1", "pi2", CONTROLLER):
        told.agents.receive(name, Hello(FACTS), 5.0)
        told.agents.receive(name, ProjectRequest(project.sha256, 1), 5.0)
    parts = [(name, message) for name, message in told.messages if isinstance(message, ProjectPart)]
    assert parts == [("pi1", ProjectPart(project.sha256, 1, b"bc"))]
    told.agents.end()
    told.agents.receive("pi1", ProjectRequest(project.sha256, 0), 6.0)
    assert told.messages[-1] != ("pi1", ProjectPart(project.sha256, 0, b"abc"))


def test_the_controllers_own_agent_has_nothing_to_do(told: Told) -> None:
    told.agents.modules = ModuleCheck({"numpy": (Path("own.py"), 1)})
    told.agents.assign(ASSIGNMENTS)
    told.agents.receive(CONTROLLER, Hello(FACTS), 5.0)
    assert told.messages == [(CONTROLLER, Welcome(1.0)), (CONTROLLER, ClockRequest(5.0))]


@pytest.mark.parametrize(("wanted", "cores", "missing"), [(None, 4, 4), (None, 64, 8), (3, 4, 3)])
def test_workers_are_missing_until_all_have_come(told: Told, wanted: int | None, cores: int, missing: int) -> None:
    """A node is expected to have one worker per core up to the maximum, unless a number was given, and at least one if
    it is away.
    """
    told.agents.assign({"pi1": Assignment(WORK, 0, 1, wanted)})
    assert told.agents.workers_missing() == (wanted or 1)
    told.agents.receive("pi1", Hello(msgspec.structs.replace(FACTS, cpu_count=cores)), 5.0)
    assert told.agents.workers_missing() == missing
    for index in range(missing):
        told.registry.worker_joined("pi1", f"pi1_{index}")
    assert told.agents.workers_missing() == 0


def test_nobody_is_taken_in_when_the_run_is_over(told: Told) -> None:
    """A controller welcomes no node once the run is over, though agents that wait for the next run say hello at once."""
    told.agents.assign(ASSIGNMENTS)
    told.agents.end()
    told.agents.receive("pi1", Hello(FACTS), 5.0)
    assert told.messages == []
    assert told.registry.usable == 0


def test_how_a_worker_ended_last_is_known(told: Told) -> None:
    told.agents.receive("pi1", Hello(FACTS), 5.0)
    assert told.agents.last_end == ""
    told.agents.receive("pi1", WorkerEnded("pi1_0", "exit status 1; no such module", 1.0, crashing=False), 6.0)
    assert told.agents.last_end == "pi1_0: exit status 1; no such module"


def test_a_node_with_another_version_is_told_of(told: Told) -> None:
    """A node with another version of piswarm is reported, since it may measure in another way."""
    told.agents.receive("pi1", Hello(FACTS), 5.0)
    assert told.events == []
    told.agents.receive("pi2", Hello(msgspec.structs.replace(FACTS, piswarm="0.0.1")), 5.0)
    ((kind, node, detail),) = told.events
    assert (kind, node) == ("other version", "pi2")
    assert "0.0.1" in detail
    assert __version__ in detail
