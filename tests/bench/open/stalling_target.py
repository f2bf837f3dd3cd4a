"""The stalling target as a process of its own, on a core of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from children import BenchError, Children, blame
from truth_target import Served, read_record

PROGRAM = Path(__file__).parents[2] / "truth" / "truth_target.py"


class StallingTarget:
    """A target process, one of `children`. Raises BenchError if it does not start."""

    def __init__(self, directory: Path, core: int, children: Children) -> None:
        self._children = children
        self._record, log = directory / "target.tsv", directory / "target.log"
        command = [sys.executable, str(PROGRAM), str(self._record)]
        self._process = children.start(command, core, log=log, stdin=subprocess.PIPE)
        with contextlib.suppress(PermissionError):  # as root: no neighbour is to disturb it
            os.sched_setscheduler(self._process.pid, os.SCHED_FIFO, os.sched_param(1))
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchError(blame("the target did not start", log))
        self.url = f"http://127.0.0.1:{int(line)}"
        self.tell("spin on")

    def tell(self, what: str) -> None:
        """Have it do something, from now on."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()

    def served(self) -> list[Served]:
        """End it; return what it served, in the order of arrival. Raises BenchError if it does not end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            raise BenchError("the target does not end") from None
        finally:
            self._children.end(self._process)
        return sorted(read_record(self._record), key=lambda each: each.arrived_s)
