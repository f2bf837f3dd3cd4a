"""The controller's child processes: they get orders by a pipe, are ended in order, and their last output is kept."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from master.run.processes import child_process as child_module
from master.run.processes.child_process import Adopted, Child, ProcessRecord, cap_log, kill_all
from master.run.processes.local import AGENT, LocalProcesses, Started
from master.store import CONTROLLER

# Each reads its standard input to the end, as every child of ours does, unless the test is about one that does not.
MODULES = {
    "echo": "import sys\nprint('got', sys.stdin.readline().strip(), flush=True)\nsys.stdin.read()",
    "answers": "import sys\nprint('first', flush=True)\nprint('aside', file=sys.stderr, flush=True)\nsys.stdin.read()",
    "obedient": "import sys\nprint('up', flush=True)\nsys.stdin.read()\nprint('told to end', file=sys.stderr)",
    "busy": "import sys\nprint('up', flush=True)\nsys.stdin.readline()\nprint('done by itself', file=sys.stderr)",
    "deaf": "import time\nprint('up', flush=True)\ntime.sleep(60)",
    "fails": "import sys\nprint('starting')\nsys.exit('no such user: nobody')",
    "rude": "print('\\x1b[2Jcleared \\u202ereversed')",
    "silent": "",
    "talks": (
        "import sys\n"
        "print('beginning', flush=True)\n"
        "for line in sys.stdin:\n"
        "    print(line.strip() * 1000, flush=True)\n"
        "print('end', flush=True)"
    ),
    "leaves": (
        "import subprocess, sys\n"
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid, flush=True)"
    ),
    "parent": (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)"
    ),
}


class Orders(msgspec.Struct):
    name: str
    secret: str


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Child]]:
    """A function that starts one of the modules above; those still alive at the end are killed."""
    for name, source in MODULES.items():
        (tmp_path / f"child_{name}.py").write_text(source)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    children: list[Child] = []

    def start(name: str, *, orders: msgspec.Struct | None = None, pipe_stdout: bool = False) -> Child:
        child = Child(name, f"child_{name}", log=tmp_path / f"{name}.log", orders=orders, pipe_stdout=pipe_stdout)
        children.append(child)
        return child

    yield start
    kill_all(children)
    for child in children:
        child.close()


def ended(child: Child) -> None:
    """Wait for a child that ends by itself."""
    child._process.wait(10)


def test_orders_come_as_one_line_on_standard_input(start: Callable[..., Child]) -> None:
    """A child's orders are one line on its standard input, and not arguments, which every user of the machine may read."""
    child = start("echo", orders=Orders("pi1", "s3cret"), pipe_stdout=True)
    assert child.read_line() == 'got {"name":"pi1","secret":"s3cret"}\n'
    process = psutil.Process(child.record.pid)
    assert not [word for word in (*process.cmdline(), *process.environ().values()) if "s3cret" in word]
    child.stop(0)
    assert child.ended()


def test_answers_are_read_line_by_line_and_the_rest_is_logged(start: Callable[..., Child], tmp_path: Path) -> None:
    """A child's answers are read line by line, an empty one after the last; its other output is in the log."""
    child = start("answers", pipe_stdout=True)
    assert child.read_line() == "first\n"
    assert not child.ended()
    child._process.stdin.close()  # type: ignore[union-attr]
    assert child.read_line() == ""
    ended(child)
    assert (tmp_path / "answers.log").read_text() == "aside\n"


@pytest.mark.parametrize(
    ("name", "words"),
    [("fails", "exit status 1; no such user: nobody"), ("silent", "exit status 0")],
)
def test_last_words_are_how_it_ended_and_the_end_of_its_log(start: Callable[..., Child], name: str, words: str) -> None:
    """A child's end is described in one line by its exit status and the end of its log."""
    child = start(name)
    ended(child)
    assert child.ended()
    assert child.describe_end() == words


def test_last_words_name_the_signal_that_ended_it(start: Callable[..., Child]) -> None:
    """The end of a child that a signal ended, as the out-of-memory killer's, is described by the signal."""
    child = start("deaf", pipe_stdout=True)
    child.read_line()
    os.kill(child.record.pid, signal.SIGTERM)
    ended(child)
    assert child.describe_end() == "signal SIGTERM"


def test_a_child_that_ended_before_it_read_its_orders_is_no_error(start: Callable[..., Child]) -> None:
    """A child that ended before it read its orders raises no error, and its end can be described."""
    orders = Orders("x", "y" * (1 << 20))  # more than a pipe holds: writing it waits until the child is gone
    child = start("fails", orders=orders)
    ended(child)
    assert child.describe_end().endswith("no such user: nobody")
    assert child.record.pid == child._process.pid, "what is kept of it for another controller can be told all the same"
    child.stop(0)


def test_a_child_that_ends_by_itself_in_time_is_not_told_to(start: Callable[..., Child], tmp_path: Path) -> None:
    """A child that ends in time for other reasons, as a message on the wire, finishes its work undisturbed."""
    child = start("busy", orders=Orders("a", "b"))
    child.stop(10)
    assert child.describe_end() == "exit status 0; done by itself"
    assert "up" in (tmp_path / "busy.log").read_text()


def test_a_child_that_does_not_end_in_time_has_its_input_closed(start: Callable[..., Child]) -> None:
    """A child that does not end in time has its standard input closed, which ends every child of the controller at once."""
    child = start("obedient", pipe_stdout=True)
    child.read_line()
    child.stop(0)
    assert child.describe_end() == "exit status 0; told to end"


def test_a_child_that_does_not_care_is_killed(start: Callable[..., Child], monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that still runs some time after its input was closed is killed."""
    child = start("deaf", pipe_stdout=True)
    child.read_line()
    monkeypatch.setattr(child_module, "MAX_END_S", 0.05)
    child.stop(0)
    assert child.describe_end() == "signal SIGKILL"


def test_killing_ends_a_child_with_all_that_it_started(start: Callable[..., Child]) -> None:
    """Killing a child also kills the processes that it started, and killing it twice is no error."""
    child = start("parent", pipe_stdout=True)
    grandchild = psutil.Process(int(child.read_line()))
    child.kill()
    child.kill()
    ended(child)
    assert child.describe_end() == "signal SIGKILL"
    await_end(grandchild)


def test_what_a_child_leaves_behind_ends_when_it_is_closed(start: Callable[..., Child]) -> None:
    """A child that has ended by itself leaves no process that it started."""
    child = start("leaves", pipe_stdout=True)
    grandchild = psutil.Process(int(child.read_line()))
    ended(child)
    assert grandchild.status() != psutil.STATUS_ZOMBIE
    child.close()
    await_end(grandchild)


def await_end(grandchild: psutil.Process) -> None:
    deadline_s = time.monotonic() + 10
    with contextlib.suppress(psutil.NoSuchProcess):
        while grandchild.status() != psutil.STATUS_ZOMBIE:  # where nobody asks for its end, it stays listed
            assert time.monotonic() < deadline_s, "it lives on"
            time.sleep(0.005)


def test_a_log_that_grows_for_ever_is_cut_and_says_so(
    start: Callable[..., Child], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log that grows beyond its limit loses its middle; beginning and later output stay, and the process writes on."""
    monkeypatch.setattr(child_module, "MAX_LOG_BYTES", 30_000)
    monkeypatch.setattr(child_module, "KEPT_LOG_BYTES", 5_000)
    child, log = start("talks"), tmp_path / "talks.log"
    for _ in range(20):
        size = log.stat().st_size
        child._process.stdin.write(b"word\n")
        child._process.stdin.flush()
        deadline_s = time.monotonic() + 10
        while log.stat().st_size < size + 4001:
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        cap_log(log)
        assert log.stat().st_size <= 30_000
    child.stop(0)
    text = log.read_text()
    assert text.startswith("beginning\nword")
    assert text.count("what stood here was cut out]") == 1
    assert text.endswith("word\nend\n")


@pytest.mark.parametrize("size", [200_001, 4_000_000])
def test_a_log_that_is_cut_keeps_its_beginning_and_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """A log that is cut keeps its beginning, where trouble starts, and its end, which messages quote."""
    log = tmp_path / "node.log"
    lines = [f"line {number}" for number in range(size // 10)]
    log.write_text("\n".join([*lines, "MemoryError: no room"]) + "\n")
    whole = log.read_text()
    monkeypatch.setattr(child_module, "MAX_LOG_BYTES", 100_000)
    monkeypatch.setattr(child_module, "KEPT_LOG_BYTES", 50_000)
    cap_log(log)
    kept = log.read_text()
    assert len(kept) < 51_000
    head, tail = kept.split("[the log had grown to 0 MiB; what stood here was cut out]\n")
    assert whole.startswith(head.rstrip("\n"))
    assert whole.endswith("\n" + tail)
    assert len(head) > 24_000
    assert len(tail) > 24_000
    assert tail.endswith("MemoryError: no room\n")


def test_the_last_words_of_a_child_whose_log_was_cut_are_its_own(
    start: Callable[..., Child], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "MAX_LOG_BYTES", 30_000)
    monkeypatch.setattr(child_module, "KEPT_LOG_BYTES", 5_000)
    (tmp_path / "fails.log").write_text("filler\n" * 10_000)
    child = start("fails")
    ended(child)
    cap_log(tmp_path / "fails.log")
    assert child.describe_end() == "exit status 1; no such user: nobody"


def test_last_words_show_what_a_terminal_would_obey(start: Callable[..., Child]) -> None:
    """Control characters of a user's code or a server's answer are shown, not obeyed, in the description of an end."""
    child = start("rude")
    ended(child)
    assert child.describe_end() == r"exit status 0; \x1b[2Jcleared \u202ereversed"


def test_processes_that_hang_are_ended_all_at_once(
    start: Callable[..., Child], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processes that hang are ended at once under one deadline, so that eight take no longer than one."""
    monkeypatch.setattr(child_module, "MAX_END_S", 1.0)
    processes = LocalProcesses(tmp_path)
    processes._generators = [start("deaf", pipe_stdout=True) for _ in range(4)]
    processes._target = start("deaf", pipe_stdout=True)
    for child in [*processes._generators, processes._target]:
        child.read_line()  # type: ignore[union-attr]
    began_s = time.monotonic()
    processes.stop(0.2)
    assert time.monotonic() - began_s < 4
    assert {child.describe_end() for child in processes._generators} == {"signal SIGKILL"}
    assert processes._target.describe_end() == "signal SIGKILL"


class _Stubborn:
    """A process that can't be ended, which shows in different ways."""

    def __init__(self, name: str, fault: Exception | None) -> None:
        self.name, self._fault = name, fault
        self.record = ProcessRecord(name, 4321, 0.0)

    def ended(self) -> bool:
        return False

    def ask_to_end(self) -> None:
        if self._fault is not None:
            raise self._fault

    def wait(self, _: float) -> bool:
        return False

    def kill(self) -> None:
        if self._fault is not None:
            raise self._fault

    def close(self) -> None:
        pass


def test_a_process_that_can_not_be_ended_is_named_and_keeps_no_other_alive(
    start: Callable[..., Child], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that can't be ended, as one that hangs in the kernel, is named, and the other processes are ended."""
    monkeypatch.setattr(child_module, "MAX_END_S", 0.3)
    processes = LocalProcesses(tmp_path)
    deaf = start("deaf", pipe_stdout=True)
    deaf.read_line()
    processes._generators = [_Stubborn("rack-1", PermissionError("not yours")), deaf]  # type: ignore[list-item]
    processes._target = _Stubborn("target", None)  # type: ignore[assignment]
    assert processes.stop(0.0) == [
        "the process rack-1 (pid 4321) could not be ended; end it with: kill -9 4321",
        "the process target (pid 4321) could not be ended; end it with: kill -9 4321",
    ]
    assert deaf.describe_end() == "signal SIGKILL"
    processes.kill()


def test_the_agent_of_an_earlier_controller_is_ended_and_the_rest_is_adopted(
    start: Callable[..., Child], tmp_path: Path
) -> None:
    """A resumed run has a new agent for the controller's machine, and goes on with the simulated nodes that there are."""
    agent, rack = start("deaf"), start("obedient")
    records = [ProcessRecord(AGENT, agent.record.pid, agent.record.started_s), rack.record]
    processes = LocalProcesses(tmp_path)
    nodes = processes.adopt(Started(records, {AGENT: [CONTROLLER], "obedient": ["sim001", "sim002"]}))
    assert nodes == {"sim001", "sim002"}
    assert agent.ended()
    assert not rack.ended()
    assert processes.started.processes == [rack.record]
    assert processes.ended_generators() == []


def test_a_process_that_has_ended_is_not_adopted_although_nobody_asked_for_its_exit_status(
    start: Callable[..., Child],
) -> None:
    """A zombie is not adopted, although its process id and start time are still there."""
    child = start("silent")
    ended = psutil.Process(child.record.pid)
    deadline_s = time.monotonic() + 20
    while ended.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline_s:
        time.sleep(0.02)
    with pytest.raises(ProcessLookupError):
        Adopted(child.record)
