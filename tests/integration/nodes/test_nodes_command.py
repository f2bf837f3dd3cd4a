"""The command `piswarm nodes`: beside a run, after one, in a terminal, and where there is no run."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import sqlite3
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from processes import ROOT, Piswarm
from report_example import fill_hot

from master.store import NodeRow, Store

COMMAND = [sys.executable, "-m", "master.cli", "nodes"]
DEADLINE_S = 30.0


def nodes(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def document(*arguments: str | Path) -> Any:
    finished = nodes(*arguments, "--json")
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """The run.db of a run that is on, with 12 nodes, some of them throttled and one lost."""
    store = Store(tmp_path / "run.db", create=True)
    fill_hot(store, nodes=12, seconds=60)
    states = {"pi1": "hot", "pi2": "throttled", "pi4": "lost"}
    store.put_node_rows(
        NodeRow(f"pi{number}", states.get(f"pi{number}", "running"), 0.01, 1.0) for number in range(1, 13)
    )
    store.put_node_rows([NodeRow("pi1", "hot", -7200.0, 0.5)])
    store.put_meta("checkpoint", {"offset_s": 60.0, "began_wall_s": time.time() - 60.0, "stage": 0, "kind": "hold"})
    store.commit()
    yield store
    with contextlib.suppress(sqlite3.ProgrammingError):  # a test may have ended the run
        store.close()


class Terminal:
    """The command in a terminal of its own, `columns` wide."""

    def __init__(self, columns: int, *arguments: str | Path) -> None:
        self.shown = ""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
        environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            cwd=ROOT,
            env={**environment, "TERM": "xterm-256color"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)

    def read_until(self, text: str, times: int = 1) -> None:
        """Read what is shown until `text` has appeared so often."""
        deadline_s = time.monotonic() + DEADLINE_S
        while self.shown.count(text) < times:
            assert time.monotonic() < deadline_s, self.shown
            self._read(0.2)

    def end(self) -> int:
        """Wait for the command's end; return the exit status."""
        deadline_s = time.monotonic() + DEADLINE_S
        while self.process.poll() is None:
            assert time.monotonic() < deadline_s, self.shown
            self._read(0.2)
        while self._read(0.0):
            pass
        return self.process.returncode

    def _read(self, wait_s: float) -> bool:
        if not select.select([self._master], [], [], wait_s)[0]:
            return False
        try:
            got = os.read(self._master, 1 << 16)
        except OSError:  # the other end is closed
            return False
        self.shown += got.decode(errors="replace")
        return bool(got)


def rows(text: str) -> list[tuple[str, str]]:
    """Return the node and the state of each row."""
    return [tuple(line.split()[:2]) for line in text.splitlines() if line.startswith("pi")]


@pytest.mark.usefixtures("store")
def test_it_shows_a_run_that_is_on(tmp_path: Path) -> None:
    """A run that is on is shown as a table of its nodes in natural order, and as a document with null for what is unknown."""
    finished = nodes(tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert [name for name, _ in rows(finished.stdout)] == [f"pi{number}" for number in range(1, 13)]
    assert "12 simulated nodes  9 running  1 hot  1 throttled  1 lost" in finished.stdout
    found = document(tmp_path)
    assert (found["schema"], found["verdict"], len(found["nodes"])) == ("piswarm/nodes/1", None, 12)
    by_name = {node["node"]: node for node in found["nodes"]}
    assert by_name["pi3"]["throttled"] is by_name["pi3"]["frequency_hz"] is None
    assert by_name["pi5"]["under_voltage"] is None
    assert by_name["pi5"]["soft_limited"] is True
    assert (by_name["pi1"]["wall_offset_s"], by_name["pi1"]["users"], by_name["pi1"]["state"]) == (-7200.0, 4, "hot")


@pytest.mark.usefixtures("store")
def test_it_sorts_and_chooses(tmp_path: Path) -> None:
    """Nodes are sorted by any column in both directions, and selected by states."""
    finished = nodes(tmp_path, "--sort", "temperature", "--reverse", "--only", "hot,throttled,lost")
    assert rows(finished.stdout) == [("pi1", "hot"), ("pi4", "lost"), ("pi2", "throttled")]
    found = document(tmp_path, "--sort", "node", "--reverse", "--only", "hot,lost")
    assert [node["node"] for node in found["nodes"]] == ["pi4", "pi1"]


@pytest.mark.usefixtures("store")
def test_it_starts_without_locust_and_the_scenarios_reader(tmp_path: Path) -> None:
    """The command imports neither Locust nor the reader of scenarios, which take seconds to load on a Pi."""
    code = (
        "import contextlib, sys; sys.argv = ['piswarm', 'nodes', sys.argv[1]]\n"
        "from master.cli import main\n"
        "with contextlib.suppress(SystemExit): main()\n"
        "print(sorted({'locust', 'gevent', 'zmq', 'yaml', 'master.scenario'} & sys.modules.keys()))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert finished.stdout.splitlines()[-1] == "[]"


def test_watching_ends_with_the_run(store: Store, tmp_path: Path) -> None:
    """A view with --watch shows changes every second, and how the run ended; run.db is one file afterwards."""
    with Terminal(80, tmp_path, "--watch") as terminal:
        terminal.read_until("1 hot")
        store.put_node_rows([NodeRow("pi1", "quarantined", 0.0, 0.5)])
        store.commit()
        terminal.read_until("1 quarantined")
        store.put_meta("verdict", "PASS")
        store.close()
        assert terminal.end() == 0, terminal.shown
        assert "over: PASS" in terminal.shown
        assert "Traceback" not in terminal.shown
    assert [file.name for file in tmp_path.iterdir()] == ["run.db"]


@pytest.mark.usefixtures("store")
def test_watching_ends_at_once_when_it_is_told_to(tmp_path: Path) -> None:
    """Ctrl-C ends a view with --watch with status 0, the last view in place and no message."""
    with Terminal(140, tmp_path, "--watch") as terminal:
        terminal.read_until("pi12", times=2)
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.end() == 0, terminal.shown
        assert "Traceback" not in terminal.shown
        assert "piswarm:" not in terminal.shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "nowhere is no directory"),
        (["."], "has no run.db, so it is no run directory"),
        ([], "there is no run directory below"),
        (["broken"], "is no run.db"),
        (["empty"], "was not made by this version of piswarm"),
        ([".", "--only", "warm"], "warm is no state of a node"),
        ([".", "--json", "--watch"], "exclude each other"),
        (["run", "--watch"], "--watch needs a terminal"),
        ([".", "--sort", "colour"], "colour"),
    ],
)
def test_what_cannot_be_shown_is_refused(tmp_path: Path, arguments: list[str], words: str) -> None:
    """Wrong options, and what is no run, are refused with one message, status 2 and nothing on standard output."""
    for name, content in (("broken", b"no database" * 200), ("empty", b"")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.db").write_bytes(content)
    Store(_made(tmp_path / "run") / "run.db", create=True).close()
    finished = nodes(*arguments, cwd=tmp_path)
    assert finished.returncode == 2
    assert words in " ".join(finished.stderr.split())
    assert "Traceback" not in finished.stderr
    assert finished.stdout == ""


def test_beside_a_real_run_and_after_it(piswarm: Piswarm) -> None:
    """The command finds a real run while it is on, and shows the verdict when the run is over."""
    run = piswarm.start(piswarm.scenario())
    deadline_s = time.monotonic() + 60
    while True:
        found = nodes(run.directory, "--json")
        if found.returncode == 0:
            told = json.loads(found.stdout)
            if any(node["cpu_percent"] is not None and node["users"] for node in told["nodes"]):
                break
        assert time.monotonic() < deadline_s, found.stdout + found.stderr
        time.sleep(0.2)
    assert told["verdict"] is None
    finished = run.finish()
    told = document(run.directory)
    assert told["verdict"] == finished.result["verdict"]
    assert all(node["simulated"] for node in told["nodes"])


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory
