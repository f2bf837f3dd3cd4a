"""One Locust project under stock Locust (a master and two workers) and under piswarm (two nodes), and what was seen of it.

The project notes what it sees by its module `notes`, in the file that the variable PARITY_NOTES names, a line of JSON each.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from free_ports import free_ports
from recording_target import RecordingTarget, Request

PROJECTS = Path(__file__).with_name("projects")
HELPER = Path(__file__).with_name("notes.py")
"""A module that each project gets."""
NOTES = "PARITY_NOTES"
PORTS = "PARITY_PORTS"
"""The variable with the ports of the target's two servers."""
WORKERS = 2
PATIENCE_S = 150.0
"""How long a run may take, with its start and its end."""
END_S = 15.0
"""How long Locust's workers may take to end after their master."""
MAX_OUTPUT = 20_000
"""Characters of a process's output that are kept."""
LENIENT = {
    "loop_lag_p99": "20 s",
    "controller_cpu": "100 %",
    "node_cpu": "100 %",
    "worker_cpu": "100 %",
    "excluded_share": "100 %",
    "latency_error": "10000 %",
}
"""Limits of validity: what else runs on the machine must not decide what is compared."""


class ParityError(Exception):
    """A run that can't be compared, and what it said."""


@dataclass(frozen=True)
class Pair:
    """One project, and how each of the two tools runs it."""

    name: str
    """Of its folder in projects/."""
    users: int = 4
    spawn_rate: float = 20.0
    run_time_s: int | None = 8
    """None: the project ends the run, or its shape."""
    locustfiles: Sequence[str] = ("locustfile.py",)
    options: Sequence[str] = ()
    """Of Locust's command line."""
    scenario: Mapping[str, Any] = field(default_factory=dict)
    """Keys of the scenario that say the same."""
    environment: Mapping[str, str] = field(default_factory=dict)
    host: bool = True
    """Whether the command line or scenario says where the load goes."""
    by_command: bool = False
    """Whether piswarm gets Locust's command line in place of a scenario."""
    starts: bool = True
    """Whether there is any load."""

    def copy_to(self, place: Path) -> Path:
        """Copy the project, with what all projects have, into a folder below `place`; return it."""
        folder = place / "project"
        shutil.copytree(PROJECTS / self.name, folder, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(HELPER, folder)
        return folder


@dataclass(frozen=True)
class Seen:
    """What was seen of one run."""

    notes: list[dict[str, Any]]
    requests: list[Request]
    ports: list[int]
    """The target's."""
    status: int
    """Exit status of the command; of Locust's master."""
    output: str
    totals: dict[str, tuple[int, int]]
    """Requests and failures by name, as the tool reports them at the end."""
    files: dict[str, str]
    """What it wrote, by file name."""

    def sides(self) -> dict[int, str]:
        """Return `master` or `worker` by process, as each noted it when it began."""
        return {row["pid"]: row["side"] for row in self.notes if row["what"] == "side"}

    def of(self, side: str, what: str) -> list[dict[str, Any]]:
        """Return the notes of this kind of all processes of a side."""
        sides = self.sides()
        return [row for row in self.notes if row["what"] == what and sides.get(row["pid"]) == side]

    def each(self, side: str, what: str) -> list[int]:
        """Return how often each process of a side noted it, in ascending order."""
        counts = Counter(row["pid"] for row in self.of(side, what))
        return sorted(counts[pid] for pid, of in self.sides().items() if of == side)

    def at(self, path: str) -> list[Request]:
        """Return the requests for a path."""
        return [request for request in self.requests if request.path == path]


def run_stock(pair: Pair, place: Path) -> Seen:
    """Run a project under stock Locust."""
    with RecordingTarget(ports=2) as target:
        environment = _environment(pair, place, target)
        port = free_ports()
        locust = [sys.executable, "-m", "locust", "-f", ",".join(pair.locustfiles)]
        master = [*locust, "--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", str(port), "--headless"]
        master += ["--only-summary", "--expect-workers", str(WORKERS), "--csv", str(place / "out")]
        master += ["--json-file", str(place / "out"), "-u", str(pair.users), "-r", str(pair.spawn_rate)]
        master += ["-H", target.url] if pair.host else []
        master += [] if pair.run_time_s is None else ["-t", f"{pair.run_time_s}s"]
        master += pair.options  # last, since some take several values
        commands = [master, *[[*locust, "--worker", "--master-port", str(port)] for _ in range(WORKERS)]]
        with _started(commands, pair.copy_to(place), place, environment) as (first, *others):
            status = _wait(first, PATIENCE_S, place)
            for other in others if pair.starts else ():
                _wait(other, END_S, place)
        totals: dict[str, tuple[int, int]] = {}
        written = place / "out.json"
        for row in json.loads(written.read_text(encoding="utf-8")) if written.exists() else ():
            before = totals.get(row["name"], (0, 0))
            totals[row["name"]] = (before[0] + row["num_requests"], before[1] + row["num_failures"])
        return _seen(target, place, status, totals)


def run_ours(pair: Pair, place: Path) -> Seen:
    """Run a project under piswarm, each node with processes of its own."""
    with RecordingTarget(ports=2) as target:
        environment = _environment(pair, place, target)
        folder = pair.copy_to(place)
        out = place / "run"
        command = [sys.executable, "-m", "master.cli", "run", "--separate", "--out", str(out)]
        if pair.by_command:
            command += ["-f", ",".join(str(folder / file) for file in pair.locustfiles), "--local", str(WORKERS)]
            command += [
                "-u",
                str(pair.users),
                "-r",
                str(pair.spawn_rate),
                "-t",
                f"{pair.run_time_s}s",
                "-H",
                target.url,
            ]
            command += ["--csv", str(place / "out"), *pair.options]
        else:
            command.append(str(_write_scenario(pair, folder, target, place)))
        with _started([command], place, place, environment) as (process,):
            status = _wait(process, PATIENCE_S, place)
        if not (out / "result.json").exists():
            raise ParityError(f"piswarm ended with {status} and no result\n{_output(place)}")
        result = json.loads((out / "result.json").read_text(encoding="utf-8"))
        totals: dict[str, tuple[int, int]] = {}
        for row in result["endpoints"]:
            before = totals.get(row["name"], (0, 0))
            totals[row["name"]] = (before[0] + row["total"], before[1] + row["failed"])
        return _seen(target, place, status, totals)


def _write_scenario(pair: Pair, folder: Path, target: RecordingTarget, place: Path) -> Path:
    content: dict[str, Any] = {
        "name": f"parity-{pair.name}",
        "locustfile": [str(folder / file) for file in pair.locustfiles],
        "load": [{"users": pair.users, "spawn_rate": pair.spawn_rate, "hold": f"{pair.run_time_s}s"}],
        "nodes": {"expect": WORKERS},
        "sample_period": "1s",  # so that a hold of a few seconds has some
        "validity": LENIENT,
    }
    if pair.host:
        content["target"] = target.url
    scenario = place / "scenario.yml"
    scenario.write_text(json.dumps(content | dict(pair.scenario)), encoding="utf-8")  # JSON is YAML
    return scenario


def run_script(pair: Pair, place: Path, side: str) -> Seen:
    """Run a locustfile as a program of its own, as for a debugger; its argument is the `side`."""
    with RecordingTarget() as target:
        folder = pair.copy_to(place)
        environment = _environment(pair, place, target) | {"PARITY_URL": target.url}
        command = [sys.executable, str(folder / pair.locustfiles[0]), side]
        with _started([command], folder, place, environment) as (process,):
            status = _wait(process, PATIENCE_S, place)
        return _seen(target, place, status, {})


def _environment(pair: Pair, place: Path, target: RecordingTarget) -> dict[str, str]:
    known = {name: value for name, value in os.environ.items() if not name.startswith(("LOCUST_", "PISWARM_"))}
    own = {NOTES: str(place / "notes.jsonl"), PORTS: ",".join(map(str, target.ports))}
    return known | own | dict(pair.environment)


def _seen(target: RecordingTarget, place: Path, status: int, totals: dict[str, tuple[int, int]]) -> Seen:
    noted = place / "notes.jsonl"
    lines = noted.read_text(encoding="utf-8").splitlines() if noted.exists() else []
    files = {
        str(file.relative_to(place)): file.read_text(encoding="utf-8", errors="replace")
        for file in place.rglob("*")
        if file.is_file() and file.suffix in {".csv", ".log", ".json"} and "project" not in file.parts
    }
    notes = [json.loads(line) for line in lines]
    return Seen(notes, list(target.requests), target.ports, status, _output(place), totals, files)


def _output(place: Path) -> str:
    """Return the last words of each process."""
    return "".join(
        file.read_text(encoding="utf-8", errors="replace")[-MAX_OUTPUT:] for file in sorted(place.glob("output-*.txt"))
    )


@contextmanager
def _started(
    commands: Sequence[Sequence[str]], folder: Path, place: Path, environment: Mapping[str, str]
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes whose output goes to files in `place`, and which are gone at the end of the block."""
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for index, command in enumerate(commands):
            with (place / f"output-{index}.txt").open("wb") as output:
                processes.append(
                    subprocess.Popen(
                        command,
                        cwd=folder,
                        env=dict(environment),
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                    )
                )
        yield processes
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(END_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def _wait(process: subprocess.Popen[bytes], patience_s: float, place: Path) -> int:
    try:
        return process.wait(patience_s)
    except subprocess.TimeoutExpired:
        raise ParityError(f"{process.args} did not end within {patience_s:.0f} s\n{_output(place)}") from None


def timed(run: Callable[[], Seen]) -> tuple[Seen, float]:
    """Return what `run` returns, and the seconds that it took."""
    began_s = time.monotonic()
    return run(), time.monotonic() - began_s
