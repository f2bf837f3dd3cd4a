"""The controller's end of the master side: steps with a limit, and a process that does not take what it is sent."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import gevent
import msgspec
import pytest

from master.project.process import master_link
from master.project.process.master_link import MasterLink, ProcessEndedError, StepLateError
from master.project.process.messages import (
    Begin,
    ListenerFailed,
    Reported,
    ShapeEnded,
    StartShape,
    Step,
    ToWorkers,
)
from master.project.process.project_process import ProjectProcess
from master.scenario import LocustProject
from worker.wire.work import UserShare, Work

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


ODD = """
import os, sys
from locust import User, events

class Visitor(User):
    def run(self): pass

class Odd(Exception):
    def __str__(self):
        raise RuntimeError("no words for it")

@events.init.add_listener
def begin(environment, **_):
    environment.runner.send_message("hello", "\\xe4", client_id=7)

@events.test_start.add_listener
def fail(environment, **_):
    raise Odd

@events.test_stopping.add_listener
def exit_oddly(environment, **_):
    sys.exit("\\udcff\\x1b[2J" + 20_000_000 * "x")

@events.quitting.add_listener
def judge(environment, **_):
    environment.process_exit_code = 10**30

print("a word of the import", flush=True)
sys.stdout.close()
sys.stderr = None
os.close(1)
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
"""


@pytest.fixture
def said() -> list[msgspec.Struct]:
    return []


@pytest.fixture
def locustfile() -> str:
    return LOCUSTFILE


@pytest.fixture
def link(tmp_path: Path, said: list[msgspec.Struct], locustfile: str) -> Iterator[MasterLink]:
    file = tmp_path / "own.py"
    file.write_text(locustfile, encoding="utf-8")
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
    assert not link.stuck
    with pytest.raises(StepLateError, match=r"at own\.py:1[89] in loop: "):
        link.step(lambda number: Step(number, "test_stopping"), 0.5)
    assert link.stuck

    monkeypatch.setattr(master_link, "MAX_WAITING_BYTES", 1 << 20)
    for _ in range(20):
        link.post(Reported("pi1_0", {}, bytes(1 << 18)), 1 << 18)
    assert link.dropped >= 10


def test_a_process_that_is_killed_is_told_of(link: MasterLink) -> None:
    """A step that its process does not survive is an error that says how it ended."""
    link.process.child.kill()
    with pytest.raises(ProcessEndedError, match="SIGKILL"):
        link.step(lambda number: Step(number, "quitting"), 60)


@pytest.mark.parametrize("locustfile", [ODD])
def test_each_step_is_answered_whatever_a_locustfile_does_to_its_process(
    link: MasterLink, said: list[msgspec.Struct], tmp_path: Path
) -> None:
    """Streams that are closed or replaced, exceptions without words or with far too many, and a status that is none hold up no step."""
    work = Work("run", {"Visitor": UserShare(weight=1)}, "http://target.test", seed=0, stop_timeout_s=1.0)
    log = tmp_path / "project.log"
    begun = link.step(lambda number: Begin(number, work, str(log)), 60)
    assert begun is not None
    assert begun.failed == ""
    assert "a word of the import" in log.read_text()
    assert [each.worker for each in said if isinstance(each, ToWorkers)] == ["7"]

    started, stopping, quitting = (
        link.step(lambda number, event=event: Step(number, event), 60)  # type: ignore[misc]  # bound at once
        for event in ("test_start", "test_stopping", "quitting")
    )
    assert started is not None
    assert started.failed == "Odd:  (at own.py:18 in fail: raise Odd)"
    assert stopping is not None
    assert stopping.failed.startswith(r"SystemExit: \udcff\x1b[2Jxxx")
    assert len(stopping.failed) < 3000
    assert quitting is not None
    assert (quitting.failed, quitting.exit_code) == ("", 1)


SHAPE = """
import sys
import gevent
from locust import LoadTestShape, User, events, task

class Visitor(User):
    @task
    def go(self): ...

class Steps(LoadTestShape):
    def tick(self):
        DOES

@events.test_start.add_listener
def begin(environment, **_):
    def leave():
        sys.exit(5)
    gevent.spawn_later(1000 if environment.shape_class else 0, leave)
"""


def begin(link: MasterLink, folder: Path, shape: str | None) -> None:
    work = Work("run", {"Visitor": UserShare(weight=1)}, "http://target.test", seed=0, stop_timeout_s=1.0)
    link.step(lambda number: Begin(number, work, str(folder / "project.log"), shape), 60)
    link.process.move_log(folder / "project.log")


@pytest.mark.parametrize("locustfile", [SHAPE.replace("DOES", "sys.exit('no more')")])
def test_a_shape_that_exits_is_named_with_its_place(
    link: MasterLink, said: list[msgspec.Struct], tmp_path: Path
) -> None:
    """As any other exception of its `tick()`; the process stays, for the listeners at the end."""
    begin(link, tmp_path, "Steps")
    link.post(StartShape(0.0))
    with gevent.Timeout(60):
        while not any(isinstance(each, ShapeEnded) for each in said):
            gevent.sleep(0.05)
    ended = next(each for each in said if isinstance(each, ShapeEnded))
    assert ended.failed == "SystemExit: no more (at own.py:12 in tick: sys.exit('no more'))"
    assert link.step(lambda number: Step(number, "quitting"), 60) is not None


@pytest.mark.parametrize("locustfile", [SHAPE.replace("DOES", "while True: sum(range(9))")])
def test_a_shape_that_loops_is_found_without_a_step(link: MasterLink, tmp_path: Path) -> None:
    """The process gives no sign of life, while one whose listeners take their time in a step is not asked for any."""
    begin(link, tmp_path, "Steps")
    assert not link.hangs(0.0)  # it is asked
    link.step(lambda number: Step(number, "test_start"), 60)
    assert not link.hangs(0.0)  # and has answered
    link.post(StartShape(0.0))
    with gevent.Timeout(60):
        while not link.hangs(1.0):
            gevent.sleep(0.05)
    assert link.stuck
    assert re.match(r" at own\.py:12 in tick: while True", link.process.place())


@pytest.mark.parametrize("locustfile", [SHAPE])
def test_a_greenlet_that_exits_is_told_with_its_place(link: MasterLink, tmp_path: Path) -> None:
    """It ends the process, whose log says last where that was."""
    begin(link, tmp_path, None)
    with contextlib.suppress(ProcessEndedError):  # it may be over before the step is answered
        link.step(lambda number: Step(number, "test_start"), 60)
    assert link.ended.wait(60)
    assert link.process.describe_end() == "exit status 5; SystemExit: 5 (at own.py:17 in leave: sys.exit(5))"
