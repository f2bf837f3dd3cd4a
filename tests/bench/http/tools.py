"""The tools that are compared: how each is called, and how one knows that nothing went wrong."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cases import ANSWER, Case

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Load:
    """What each tool does in a round: so many users, each on a connection of its own and without a pause."""

    users: int
    warm_up_s: float
    window_s: float

    @property
    def duration_s(self) -> int:
        """How long a tool must run that counts in whole seconds: beyond the end of the window, wherever that begins."""
        return math.ceil(self.warm_up_s + self.window_s) + 1


class Tool(Protocol):
    """A load generator. One that is `told` says itself when its window begins and ends; others are watched from outside."""

    name: str
    told: bool

    def program(self) -> str | None:
        """What is started; None where it is not installed."""

    def version(self) -> str:
        """What it says of itself."""

    def command(self, case: Case, url: str, load: Load) -> list[str]:
        """How it is called."""

    def outcome(self, output: str, status: int) -> tuple[int | None, list[str]]:
        """The requests it counted from start to end, if it tells, and what went wrong."""


@dataclass(frozen=True, slots=True)
class Locust:
    """A user class in a Locust process of its own. `user` is where to import it from."""

    name: str
    user: str
    versions: str
    told = True

    def program(self) -> str:
        return sys.executable

    def version(self) -> str:
        return self.versions

    def command(self, case: Case, url: str, load: Load) -> list[str]:
        numbers = (load.users, load.warm_up_s, load.window_s)
        return [sys.executable, str(HERE / "users.py"), self.user, case.name, url, *map(str, numbers)]

    def outcome(self, output: str, status: int) -> tuple[int | None, list[str]]:
        if status:
            return None, [f"it ended with status {status}"]
        said = _last_json(output)
        return said["total"], said["faults"]


class Wrk:
    """wrk, with one thread."""

    name = "wrk"
    told = False

    def program(self) -> str | None:
        return shutil.which("wrk")

    def version(self) -> str:
        # Its usage text, whose first line has the version; it has no option that only tells it.
        return _said("wrk", "-v").partition(" Copyright")[0].removeprefix("wrk ")

    def command(self, case: Case, url: str, load: Load) -> list[str]:
        options = ["-t", "1", "-c", str(load.users), "-d", f"{load.duration_s}s", "-s", str(HERE / "wrk.lua")]
        return ["wrk", *options, url + case.path, "--", case.method, *([case.body] if case.body else [])]

    def outcome(self, output: str, status: int) -> tuple[int | None, list[str]]:
        if status:
            return None, [f"it ended with status {status}"]
        counts = _last_json(output)
        total = counts.pop("requests")
        return total, [f"{count} × {kind} error" for kind, count in counts.items() if count]


class K6:
    """k6; on one core, Go runs it on one thread."""

    name = "k6"
    told = False

    def program(self) -> str | None:
        return shutil.which("k6")

    def version(self) -> str:
        return _said("k6", "version").removeprefix("k6 ")

    def command(self, case: Case, url: str, load: Load) -> list[str]:
        values = {"URL": url + case.path, "METHOD": case.method, "BODY": case.body, "ANSWER": ANSWER}
        variables = [part for name, value in values.items() for part in ("-e", f"{name}={value}")]
        options = ["--quiet", "--vus", str(load.users), "--duration", f"{load.duration_s}s"]
        return ["env", "K6_NO_USAGE_REPORT=true", "k6", "run", *options, *variables, str(HERE / "k6.js")]

    def outcome(self, output: str, status: int) -> tuple[int | None, list[str]]:
        del output  # its summary changes from version to version; its exit status does not
        if status == 99:
            return None, ["a check of status or body failed"]
        return None, [f"it ended with status {status}"] if status else []


def _last_json(output: str) -> Any:
    return json.loads([line for line in output.splitlines() if line.startswith("{")][-1])


def _said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).partition("\n")[0].strip()
