"""The agent as a process: its schedule while the machine is busy, and how it notices the end of its worker."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import psutil
import pytest
from agent_process import WORK, AgentProcess, until
from project_archives import answer, described, make_archive, member

from worker.agent.calibration import FILE, CachedCapacity, Machine, cached_capacity
from worker.agent.priority import STEP
from worker.wire.messages import AgentHeartbeat, Assign, Leave, ProjectRequest, Sample, Welcome, WorkerEnded
from worker.wire.work import Assignment

PERIOD_S = 0.05


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[AgentProcess]:
    with AgentProcess(tmp_path) as agent:
        agent.introduce()
        yield agent


@contextlib.contextmanager
def all_cores_busy(niceness: int) -> Iterator[None]:
    """Keep all cores busy with two counting processes each, at this niceness."""
    burning = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * len(os.sched_getaffinity(0)))
    ]
    try:
        for process in burning:
            os.setpriority(os.PRIO_PROCESS, process.pid, niceness)
        yield
    finally:
        for process in burning:
            process.kill()
            process.wait()


def samples(agent: AgentProcess, count: int) -> list[Sample]:
    return [agent.receive_a(Sample) for _ in range(count)]


def assert_on_schedule(heard: Sequence[Sample]) -> None:
    """Assert that samples have the numbers of slots of one schedule, and were taken within their slots."""
    first = heard[0]
    for before, sample in itertools.pairwise(heard):
        assert sample.number > before.number
        assert sample.due_s == pytest.approx(first.due_s + (sample.number - first.number) * PERIOD_S, abs=1e-6)
        assert sample.due_s - 1e-6 <= sample.sent_s <= sample.due_s + PERIOD_S + 1e-6


def test_the_schedule_does_not_drift_while_every_core_is_busy(agent: AgentProcess) -> None:
    """With two busy processes of the agent's priority on each core, samples stay on schedule, and missing ones show by number."""
    agent.welcome(PERIOD_S)
    before = samples(agent, 5)
    with all_cores_busy(agent.itself.nice()):
        during = samples(agent, 60)
    after = samples(agent, 5)
    assert_on_schedule([*before, *during, *after])


def test_slots_that_the_agent_slept_through_are_told_by_their_numbers(agent: AgentProcess) -> None:
    """The slots that a stopped agent missed show by their numbers, and the later ones are where they would have been."""
    agent.welcome(PERIOD_S)
    before = samples(agent, 3)
    agent.itself.suspend()
    until(lambda: agent.itself.status() == psutil.STATUS_STOPPED or None)
    stopped_s = time.monotonic()
    until(lambda: time.monotonic() > stopped_s + 10 * PERIOD_S or None)
    resumed_s = time.monotonic()
    agent.itself.resume()
    heard = [*before, *samples(agent, 3)]
    while heard[-1].due_s < resumed_s:
        heard += samples(agent, 1)
    assert_on_schedule(heard)
    slept = range(heard[0].number, heard[-1].number)
    due_s = {number: heard[0].due_s + (number - heard[0].number) * PERIOD_S for number in slept}
    missing = [number for number in slept if stopped_s < due_s[number] < resumed_s - PERIOD_S]
    assert len(missing) >= 8
    assert not {sample.number for sample in heard} & set(missing)


def test_a_workers_end_is_told_at_once(agent: AgentProcess) -> None:
    """The end of a worker is reported at once, before the agent's next regular look 5 s later."""
    agent.welcome(60.0)
    samples(agent, 1)
    for _ in range(2):
        agent.worker().kill()
        heard = [agent.receive()]
        while not isinstance(heard[-1], WorkerEnded):
            heard.append(agent.receive())
        assert sum(isinstance(message, AgentHeartbeat) for message in heard) <= 2


def test_a_worker_has_the_priority_that_the_agent_was_started_with(agent: AgentProcess) -> None:
    """A worker has the priority with which the agent was started; the agent's own is higher where that is allowed."""
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    agent.welcome(60.0)
    assert agent.worker().nice() == usual
    allowed = subprocess.run(["nice", "-n", f"-{STEP}", "nice"], check=True, capture_output=True).stdout
    assert (agent.itself.nice() < usual) == (int(allowed) < usual)


def test_an_agent_that_is_told_to_end_says_good_bye(agent: AgentProcess) -> None:
    """An agent that is told to end sends a goodbye and ends its worker."""
    agent.welcome(60.0)
    samples(agent, 1)
    worker = agent.worker()
    agent.process.terminate()
    agent.receive_a(Leave)
    assert agent.process.wait(30) == 0
    assert not worker.is_running()


def fetch(agent: AgentProcess, archive: Path, parts: int = 100) -> None:
    """Answer what the agent asks for, until it has all of it, but at most so many parts."""
    for _ in range(parts):
        request = agent.receive_a(ProjectRequest)
        if request.offset == archive.stat().st_size:
            return
        agent.send(answer(archive, request))


def test_a_project_survives_the_kill_of_its_agent(tmp_path: Path) -> None:
    """What a killed agent had received of a project the next one need not fetch; what it had unpacked is removed by the next
    one, and not by one that starts while the former lives.
    """
    archive = tmp_path / "archive"
    make_archive(archive, member("own.py", b"import locust\n"), member("data", os.urandom(200_000)))
    work = msgspec.structs.replace(WORK, locustfiles=["own.py"])
    assign = Assign(Assignment(work, 0, 1, workers=1, project=described(archive)))
    projects = tmp_path / "projects"
    with AgentProcess(tmp_path) as killed:
        killed.introduce()
        killed.send(Welcome(60.0))
        killed.send(assign)
        fetch(killed, archive, parts=2)
        until(lambda: any(part.stat().st_size > 65_536 for part in projects.glob("*.part")) or None)
    with AgentProcess(tmp_path) as killed:
        killed.introduce()
        killed.send(Welcome(60.0))
        killed.send(assign)
        request = killed.receive_a(ProjectRequest)
        assert request.offset == 131_072
        killed.send(answer(archive, request))
        fetch(killed, archive)
        (left,) = until(lambda: list(projects.glob("*/project/own.py")) or None)
        with AgentProcess(tmp_path) as other:
            other.introduce()
            assert left.exists()
            # The archive is in the cache by now: nothing is asked for.
            other.send(Welcome(60.0))
            other.send(assign)
            other.receive_a(WorkerEnded)
            assert len(list(projects.glob("*/project/own.py"))) == 2
        killed.process.kill()
        killed.process.wait()
        assert left.exists()
        with AgentProcess(tmp_path) as heir:
            heir.introduce()
            assert [path.name for path in projects.iterdir()] == [f"{described(archive).sha256}.tar.gz"]


def test_the_first_words_tell_a_capacity_that_is_kept(tmp_path: Path) -> None:
    """An agent's first message has the capacity that is stored, as long as the file is of this machine."""
    with AgentProcess(tmp_path) as agent:
        facts = agent.introduce().facts
    machine = Machine(facts.model, facts.cpu_count, facts.python, facts.piswarm)
    file = tmp_path / FILE
    if facts.capacity is None:  # the rounds differed, on a machine that has other work
        assert not file.exists()
    else:
        assert cached_capacity(file.read_bytes(), machine) == facts.capacity
    file.write_bytes(msgspec.json.encode(CachedCapacity(machine, 1.25)))
    with AgentProcess(tmp_path) as agent:
        assert agent.introduce().facts.capacity == 1.25


def test_an_agent_that_carries_no_load_measures_none(tmp_path: Path) -> None:
    """An agent that carries no load, as the controller's own, measures no capacity."""
    with AgentProcess(tmp_path, carries_load=False) as agent:
        assert agent.introduce().facts.capacity is None
    assert not list(tmp_path.iterdir())
