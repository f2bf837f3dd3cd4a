"""Processes of the controller: they get their orders by pipe, are let go in order, and leave their last words."""

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
from master.run.processes.child_process import Child, cap_log

# Each reads its standard input to the end, as every child of ours does, unless the test is about one that does not.
MODULES = {
    "echo": "import sys\nprint('got', sys.stdin.readline().strip(), flush=True)\nsys.stdin.read()",
    "answers": "import sys\nprint('first', flush=True)\nprint('aside', file=sys.stderr, flush=True)\nsys.stdin.read()",
    "obedient": "import sys\nprint('up', flush=True)\nsys.stdin.read()\nprint('told to end', file=sys.stderr)",
    "busy": "import sys\nprint('up', flush=True)\nsys.stdin.readline()\nprint('done by itself', file=sys.stderr)",
    "deaf": "import time\nprint('up', flush=True)\ntime.sleep(60)",
    "fails": "import sys\nprint('starting')\nsys.exit('no such user: nobody')",
    "silent": "",
    "talks": (
        "import sys\n"
        "print('beginning', flush=True)\n"
        "for line in sys.stdin:\n"
        "    print(line.strip() * 1000, flush=True)\n"
        "print('end', flush=True)"
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
    """Starts one of the modules above; whatever still lives in the end is killed."""
    for name, source in MODULES.items():
        (tmp_path / f"child_{name}.py").write_text(source)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    children: list[Child] = []

    def start(name: str, *, orders: msgspec.Struct | None = None, answers: bool = False) -> Child:
        child = Child(name, f"child_{name}", log=tmp_path / f"{name}.log", orders=orders, answers=answers)
        children.append(child)
        return child

    yield start
    for child in children:
        child.kill()
        child.stop(0)


def ended(child: Child) -> None:
    """Wait for a child that ends by itself."""
    child._process.wait(10)


def test_orders_come_as_one_line_on_standard_input(start: Callable[..., Child]) -> None:
    """And nowhere else: not in the arguments, which everybody on the machine may read."""
    child = start("echo", orders=Orders("pi1", "s3cret"), answers=True)
    assert child.read_line() == 'got {"name":"pi1","secret":"s3cret"}\n'
    process = psutil.Process(child.record.pid)
    assert not [word for word in (*process.cmdline(), *process.environ().values()) if "s3cret" in word]
    child.stop(0)
    assert child.ended()


def test_answers_are_read_line_by_line_and_the_rest_is_logged(start: Callable[..., Child], tmp_path: Path) -> None:
    """An empty line says that there will be no more."""
    child = start("answers", answers=True)
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
    """One line that can stand in a message."""
    child = start(name)
    ended(child)
    assert child.ended()
    assert child.last_words() == words


def test_last_words_name_the_signal_that_ended_it(start: Callable[..., Child]) -> None:
    """The out-of-memory killer's, for one."""
    child = start("deaf", answers=True)
    child.read_line()
    os.kill(child.record.pid, signal.SIGTERM)
    ended(child)
    assert child.last_words() == "signal SIGTERM"


def test_a_child_that_ended_before_it_read_its_orders_is_no_error(start: Callable[..., Child]) -> None:
    """That it has ended is seen, with its reason, by whoever looks after it."""
    orders = Orders("x", "y" * (1 << 20))  # more than a pipe holds: writing it waits until the child is gone
    child = start("fails", orders=orders)
    ended(child)
    assert child.last_words().endswith("no such user: nobody")
    child.stop(0)


def test_a_child_that_ends_by_itself_in_time_is_not_told_to(start: Callable[..., Child], tmp_path: Path) -> None:
    """It was told to by other means, over the wire, and finishes its work."""
    child = start("busy", orders=Orders("a", "b"))
    child.stop(10)
    assert child.last_words() == "exit status 0; done by itself"
    assert "up" in (tmp_path / "busy.log").read_text()


def test_a_child_that_does_not_end_in_time_has_its_input_closed(start: Callable[..., Child]) -> None:
    """Which ends every child of ours at once."""
    child = start("obedient", answers=True)
    child.read_line()
    child.stop(0)
    assert child.last_words() == "exit status 0; told to end"


def test_a_child_that_does_not_care_is_killed(start: Callable[..., Child], monkeypatch: pytest.MonkeyPatch) -> None:
    """Five seconds after its input was closed; here, at once."""
    child = start("deaf", answers=True)
    child.read_line()
    wait = child._process.wait
    monkeypatch.setattr(child._process, "wait", lambda timeout=None: wait(timeout and timeout / 100))
    child.stop(0)
    assert child.last_words() == "signal SIGKILL"


def test_killing_ends_a_child_with_all_that_it_started(start: Callable[..., Child]) -> None:
    """And doing it twice, or to one that has ended, is no error."""
    child = start("parent", answers=True)
    grandchild = psutil.Process(int(child.read_line()))
    child.kill()
    child.kill()
    assert child.last_words() == "signal SIGKILL"
    deadline_s = time.monotonic() + 10
    with contextlib.suppress(psutil.NoSuchProcess):
        while grandchild.status() != psutil.STATUS_ZOMBIE:  # where nobody asks for its end, it stays listed
            assert time.monotonic() < deadline_s, "it lives on"
            time.sleep(0.005)


def test_a_log_that_grows_for_ever_is_cut_and_says_so(
    start: Callable[..., Child], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its beginning stays, and so does what comes after; the process writes on as before."""
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
