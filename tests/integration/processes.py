"""The real processes that integration tests start: the command `piswarm run`, and the target on its own."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
from forked_commands import ForkedCommands
from http_reply import Reply
from result_reference import read_result

ROOT = Path(__file__).parents[2]
TARGET = [sys.executable, "-m", "master.target"]


def left_behind(place: Path) -> list[psutil.Process]:
    """Return the processes that work in `place`, as all processes of a run in that directory do."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(place) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


class Target:
    """A target process on a free loopback port, for the length of a `with` block."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [*TARGET, "--until-stdin-closes", *arguments],
            cwd=ROOT,
            env={**os.environ, "PISWARM_TARGET_PASSWORD": "piswarm", **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        line = self.process.stdout.readline()
        assert line, f"the target ended with {self.process.wait()}"
        self.ready = json.loads(line)
        self.url: str = self.ready["url"]
        self.port = int(self.url.rpartition(":")[2])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()

    def end(self) -> int:
        """Close the target's stdin and wait until it has ended; return its exit status."""
        self.process.stdin.close()
        code = self.process.wait(20)
        self.process.stdout.close()
        return code

    def kill(self) -> None:
        """End it as a crash would, and wait until it is gone."""
        self.process.kill()
        self.process.wait(20)

    def ask(self, method: str, path: str, body: Any = None, token: str | None = None, **headers: str) -> Reply:
        """Send one request on a connection of its own, with what is not bytes as JSON."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body)
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Reply(response.status, {key.lower(): value for key, value in response.getheaders()}, response.read())
        finally:
            connection.close()

    def sign_in(self, username: str, password: str = "piswarm") -> str:
        """Return a token of that account."""
        reply = self.ask("POST", "/auth/login", {"username": username, "password": password})
        assert reply.status == 200, reply
        return reply.json["token"]

    def counts(self) -> dict[tuple[str, str, int], int]:
        """Return what the target counted, by method, route and status, without the requests for these counts."""
        text = self.ask("GET", "/metrics").body.decode()
        found = re.findall(
            r'^target_requests_total{method="(\w+)",route="(\S+)",status="(\d+)"} (\S+)$', text, re.MULTILINE
        )
        return {
            (method, route, int(status)): int(float(count))
            for method, route, status, count in found
            if route != "/metrics"
        }


PISWARM = [sys.executable, "-m", "master.cli"]

LOCUSTFILE = """
from locust import FastHttpUser, constant, task

class Visitor(FastHttpUser):
    wait_time = constant(0.05)

    @task(9)
    def health(self):
        self.client.get("/health")

    @task(1)
    def missing(self):
        self.client.get("/no/such/path", name="/missing")
"""


@dataclass
class Finished:
    """A run that has ended: its exit status, its output, and the place of its files."""

    status: int
    output: str
    directory: Path

    @property
    def result(self) -> dict[str, Any]:
        return read_result(self.directory / "result.json")


class Started:
    """A run that is on."""

    def __init__(self, process: subprocess.Popen[str], directory: Path) -> None:
        self.process = process
        self.directory = directory
        self._lines: list[str] = []

    def wait_for(self, pattern: str) -> str:
        """Read the run's output until a line matches; return the line."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.append(line)
            if re.search(pattern, line):
                return line
        raise AssertionError(f"ended without saying {pattern!r}:\n{''.join(self._lines)}")

    def finish(self, timeout_s: float = 60) -> Finished:
        rest, _ = self.process.communicate(timeout=timeout_s)
        return Finished(self.process.returncode, "".join(self._lines) + rest, self.directory)

    def family(self) -> list[psutil.Process]:
        """Return the command and all processes that it started."""
        command = psutil.Process(self.process.pid)
        return [command, *command.children(recursive=True)]


class Piswarm:
    """Starts `piswarm run` as a user would."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._runs = 0
        self._started: list[Started] = []

    def close(self) -> None:
        """End the processes that a failed test has left."""
        for started in self._started:
            if started.process.poll() is None:
                family = started.family()
                started.process.terminate()
                try:
                    started.process.communicate(timeout=30)
                except subprocess.TimeoutExpired:
                    for process in family:
                        with contextlib.suppress(psutil.NoSuchProcess):
                            process.kill()
                    started.process.communicate()
            elif started.process.stdout is not None:
                started.process.stdout.close()

    def scenario(self, **changes: Any) -> Path:
        """Write a scenario of the locustfile's visitors on the embedded target, with `changes` (None: without the key); return its file."""
        (self._directory / "visitors.py").write_text(LOCUSTFILE)
        content = {
            "target": "embedded",
            "locustfile": "visitors.py",
            "users": {"Visitor": 1},
            "load": [{"users": 8, "spawn_rate": 20, "hold": "5s"}],
            # One node is one process; tests of what a fleet does say how many they need.
            "nodes": {"expect": 1},
            "thresholds": ["errors < 50 %"],
            # What else runs on the machine must not decide what a test says; the test of starvation sets its own.
            "validity": {
                "loop_lag_p99": "20 s",
                "controller_cpu": "100 %",
                "excluded_share": "100 %",
                "latency_error": "10000 %",
            },
        } | changes
        path = self._directory / "scenario.yml"
        path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))  # JSON is YAML
        return path

    def start(self, scenario: Path, *options: str) -> Started:
        self._runs += 1
        out = self._directory / f"run-{self._runs}"
        return self.start_by([*PISWARM, "run", str(scenario), "--out", str(out), *options], out)

    def start_by(self, command: list[str], out: Path) -> Started:
        """Start a run by a command of the test's own, which has it write into `out`."""
        process = subprocess.Popen(
            command,
            cwd=self._directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._started.append(Started(process, out))
        return self._started[-1]

    def resume(self, directory: Path, timeout_s: float = 60) -> Finished:
        """Resume the run in `directory` and wait for its end."""
        process = subprocess.Popen(
            [*PISWARM, "resume", str(directory)],
            cwd=self._directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._started.append(Started(process, directory))
        return self._started[-1].finish(timeout_s)

    def run_forked(self, commands: ForkedCommands, scenario: Path, *options: str) -> Finished:
        """As `run`, without the command's imports: for a run that is refused before anything is started."""
        self._runs += 1
        out, output = self._directory / f"run-{self._runs}", self._directory / f"output-{self._runs}"
        status = commands.run(["run", str(scenario), "--out", str(out), *options], self._directory, output)
        return Finished(status, output.read_text(), out)

    def run(self, scenario: Path, *options: str) -> Finished:
        return self.start(scenario, *options).finish()
