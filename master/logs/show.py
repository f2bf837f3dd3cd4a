"""What `piswarm logs` does: print the lines of a run, of all nodes or some, and those to come."""

from __future__ import annotations

import contextlib
import resource
import sys
import time
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from pathlib import Path

from master.errors import InputError
from master.logs.log_files import RunLogs, SourcedLine
from master.nodes.latest import read_latest
from worker import streams
from worker.printable import printable
from worker.wire.messages import node_of

POLL_S = 0.5


def find_logs(directory: Path, wanted: Collection[str]) -> RunLogs:
    """The logs of the run in `directory`. Raises InputError where it is none, or has nothing named as one of `wanted`."""
    folder = directory / "logs"
    if not folder.is_dir():
        raise InputError(
            f"{directory} has no logs, so it is no run directory", hint="Name one that piswarm run has made."
        )
    known = {row.node for row in read_latest(directory).nodes} | {path.stem for path in folder.glob("*.log")}
    for name in wanted:
        if node_of(name) not in known:
            raise InputError(
                f"--node: {printable(name)} is no node of this run",
                hint="piswarm nodes lists the nodes; other processes are named as their files in logs/ are.",
            )
    _allow_many_files()
    return RunLogs(folder)


def _allow_many_files() -> None:
    """All logs are open at once while they are merged, and there may be more than a process may have open without asking."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def show(logs: RunLogs, wanted: Collection[str]) -> None:
    """Print all lines that there are."""
    _print(logs.new_lines(whole=False), wanted)


def follow(
    logs: RunLogs, wanted: Collection[str], directory: Path, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Print all lines, and those that come, until the run is over, its reader has left, or Ctrl-C."""
    try:
        while True:
            over = read_latest(directory).over
            _print(logs.new_lines(whole=not over), wanted)
            sys.stdout.flush()
            if over or streams.reader_left():
                return
            sleep(POLL_S)
    except KeyboardInterrupt:
        return


def _print(lines: Iterable[SourcedLine], wanted: Collection[str]) -> None:
    for line in lines:
        if wanted and not {line.source, node_of(line.source)} & set(wanted):
            continue
        sys.stdout.write(f"{_moment(line.at_s)} {printable(line.source)}  {printable(line.text)}\n")
        if streams.reader_left():
            return


def _moment(at_s: float) -> str:
    """By the clock of this machine: `2026-11-27 21:27:53.234`."""
    return datetime.fromtimestamp(at_s).astimezone().isoformat(" ", "milliseconds")[:23]
