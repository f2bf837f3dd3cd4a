"""The controller's end of the master side: steps with a limit, and a process that does not take what it is sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from master.project.process import master_link
from master.project.process.master_link import MasterLink, ProcessEndedError, StepLateError
from master.project.process.messages import Begin, ListenerFailed, Reported, Step, ToWorkers
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
