"""The controller's end of the master side: steps with a limit, and a process that does not take what it is sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from master.project.process import master_link
from master.project.process.master_link import MasterLink, ProcessEndedError, StepLateError
from master.project.process.messages import Begin, ListenerFailed, Reported, Step
from master.project.process.project_process import ProjectProcess
from master.scenario import LocustProject
from worker.wire.messages import UserShare, Work

LOCUSTFILE = """
import gevent, os
from locust import User, events

class Visitor(User):
    def run(self): pass

@events.init.add_listener
def fail(environment, **_):
    raise LookupError("nothing there")

@events.test_start.add_listener
def wait(environment, **_):
    gevent.sleep(1000)

@events.test_stopping.add_listener
def loop(environment, **_):
    while True:
        pass
"""


@pytest.fixture
def said() -> list[msgspec.Struct]:
    return []


@pytest.fixture
def link(tmp_path: Path, said: list[msgspec.Struct]) -> Iterator[MasterLink]:
    file = tmp_path / "own.py"
    file.write_text(LOCUSTFILE, encoding="utf-8")
    process = ProjectProcess(LocustProject(tmp_path, (file,)), real_nodes=False)
    try:
        process.inspect()
        yield MasterLink(process, said.append)
    finally:
        process.close()


def test_steps_that_hang_say_where_and_what_is_not_taken_is_dropped(
    link: MasterLink, said: list[msgspec.Struct], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listener that fails, waits or loops for ever is named with its place, and what the process does not take fills no memory."""
    work = Work("run", {"Visitor": UserShare(weight=1)}, "http://target.test", seed=0, stop_timeout_s=1.0)
    done = link.step(lambda number: Begin(number, work, str(tmp_path / "project.log")), 60)
    link.process.move_log(tmp_path / "project.log")
    assert done is not None
    assert done.failed.startswith("LookupError: nothing there (at own.py:10 in fail: raise LookupError(")
    assert [each.event for each in said if isinstance(each, ListenerFailed)] == ["init"]

    with pytest.raises(StepLateError, match=r"at own.py:14 in wait: gevent.sleep\(1000\)"):
        link.step(lambda number: Step(number, "test_start"), 0.5)
    with pytest.raises(StepLateError, match=r"at own\.py:1[89] in loop: "):
        link.step(lambda number: Step(number, "test_stopping"), 0.5)

    monkeypatch.setattr(master_link, "MAX_WAITING_BYTES", 1 << 20)
    for _ in range(20):
        link.post(Reported("pi1_0", {}, bytes(1 << 18)), 1 << 18)
    assert link.dropped >= 10


def test_a_process_that_is_killed_is_told_of(link: MasterLink) -> None:
    """A step that its process does not survive is an error that says how it ended."""
    link.process.child.kill()
    with pytest.raises(ProcessEndedError, match="SIGKILL"):
        link.step(lambda number: Step(number, "quitting"), 60)
