"""The commands of the benches, run as the Makefile and as a person would run them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from processes import ROOT


class Bench:
    """A bench by its name: `agent` is `make bench-agent` and `tests/bench/agent`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._command = [sys.executable, f"tests/bench/{name}"]

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run the bench to its end."""
        return subprocess.run([*self._command, *options], cwd=ROOT, capture_output=True, text=True, check=False)

    def measure(self, directory: Path, options: str) -> tuple[str, str, dict[str, Any]]:
        """Run the Makefile's command with a new folder for the output; return all that it printed, and its document."""
        out = directory / "new" / f"{self._name}.json"
        command = self._make_command(f"{options} --out {out}")
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout, done.stderr, json.loads(out.read_text())

    def _make_command(self, options: str) -> list[str]:
        """What `make bench-NAME BENCH=options` runs, with this Python, also where make itself runs the tests."""
        target = f"bench-{self._name}"
        make = ["make", "--no-print-directory", "--dry-run", "--old-file=.venv/.ready", target, f"BENCH={options}"]
        said = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        python, *words = said.splitlines()[-1].split()
        assert python == ".venv/bin/python"
        return [sys.executable, *words]

    @contextmanager
    def started(self, *options: str) -> Iterator[subprocess.Popen[str]]:
        """Run the bench while the block lasts, if it does not end before."""
        process = subprocess.Popen(
            [*self._command, *options], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        with process:
            yield process
            process.kill()


def wait_for_child(command: subprocess.Popen[str], word: str) -> psutil.Process:
    """Return the process below `command` that has `word` in its command line, as soon as there is one."""
    deadline_s = time.monotonic() + 30
    while time.monotonic() < deadline_s:
        for child in psutil.Process(command.pid).children(recursive=True):
            try:
                if any(word in part for part in child.cmdline()):
                    return child
            except psutil.NoSuchProcess:
                continue
        time.sleep(0.05)
    raise AssertionError(f"no {word} was started")
