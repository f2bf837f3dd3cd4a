"""A Locust project without a scenario file: what its command line, variables and files say is run, as by Locust, and can be run again."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from forked_commands import ForkedCommands
from processes import PISWARM, Piswarm, Target
from result_reference import read_result

LOCUSTFILE = """
from locust import FastHttpUser, constant, events, tag, task


@events.init_command_line_parser.add_listener
def options(parser):
    parser.add_argument("--tenant", default="none", help="Whose data.")
    parser.add_argument("--port", type=int, help="A name that piswarm has, too.")
    parser.add_argument("--from-file", default="none")


class Shop(FastHttpUser):
    weight = 3
    wait_time = constant(0.1)

    @tag("read")
    @task
    def health(self):
        given = self.environment.parsed_options
        self.client.get("/health", name=f"/{given.tenant}/{given.port}/{given.from_file}")

    @tag("write")
    @task
    def missing(self):
        self.client.get("/no/such/path", name=f"/missing/{self.environment.parsed_options.tenant}")


class Admin(FastHttpUser):
    wait_time = constant(0.1)

    @tag("read")
    @task
    def health(self):
        self.client.get("/health")
"""
SUFFIXES = ("_stats.csv", "_stats_history.csv", "_failures.csv", "_exceptions.csv")


@dataclass
class Done:
    """Both runs of one locustfile, piswarm's and Locust's own, in a folder."""

    folder: Path
    output: str
    errors: str

    @property
    def scenario(self) -> dict[str, Any]:
        return yaml.safe_load((self.folder / "run" / "scenario.yml").read_text("utf-8"))

    def endpoints(self, run: str) -> dict[str, int]:
        result = read_result(self.folder / run / "result.json")
        return {endpoint["name"]: endpoint["total"] for endpoint in result["endpoints"]}


def read_csv(file: Path) -> list[list[str]]:
    with file.open(encoding="utf-8", newline="") as text:
        return list(csv.reader(text))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    """One run for the tests of this file, by all that may say something, and one of Locust's beside it."""
    folder = tmp_path_factory.mktemp("without-scenario")
    (folder / "load.py").write_text(LOCUSTFILE)
    (folder / "locust.conf").write_text("from-file = file\nusers = 50\nspawn-rate = 50\n")
    environment = {**os.environ, "LOCUST_SPAWN_RATE": "4", "LOCUST_LOCUSTFILE": "load.py", "HOME": str(folder)}
    ours = ["--users", "4", "-t", "6s", "--local", "2", "--out", "run", "--headless"]
    files = ["--csv", "made/ours", "--html", "made/{u}_{r}_{t}.html", "--json", "--json-file", "made/ours.json"]
    own = ["-T", "read", "--tenant", "acme", "Shop"]
    stock_words = [
        "--headless",
        "-u",
        "2",
        "--csv",
        "stock",
        "--port",
        "80",
    ]  # as long as ours, however busy the machine is
    with Target() as target:
        stock = subprocess.Popen(
            [sys.executable, "-m", "locust", "-H", target.url, *stock_words, *own],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        run = subprocess.run(
            [*PISWARM, "run", "-H", target.url, *ours, *files, *own, "--", "--port", "80"],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        stock.terminate()
        stock.wait(120)
        assert run.returncode in (0, 3), run.stderr  # a busy machine may not be fit to measure
        yield Done(folder, run.stdout, run.stderr)


def test_the_scenario_that_it_amounts_to_is_in_the_run_directory(done: Done) -> None:
    """The command line wins over variables, these over files; unnamed classes and tasks of other tags don't run."""
    scenario = done.scenario
    assert scenario["load"] == [{"users": 4, "spawn_rate": 4, "hold": "5s"}]
    assert scenario["users"] == {"Shop": 3}
    assert scenario["arguments"] == {"tenant": "acme", "port": "80", "from_file": "file"}
    assert (scenario["tags"], scenario["nodes"]["expect"]) == (["read"], 2)
    assert list(done.endpoints("run")) == ["/acme/80/file"]
    assert "piswarm: warning: --headless is not used: a run always is" in done.errors


def test_files_of_locusts_options_are_copies_of_the_runs(done: Done) -> None:
    """With --json there is nothing but result.json on standard output."""
    made, run = done.folder / "made", done.folder / "run"
    assert json.loads(done.output) == json.loads((run / "result.json").read_text("utf-8"))
    assert (made / "ours.json").read_bytes() == (run / "result.json").read_bytes()
    assert (made / "4_4_6.html").read_bytes() == (run / "report.html").read_bytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_csv_files_have_the_columns_of_locusts(done: Done, suffix: str) -> None:
    """Those that Locust itself has written in a run of the same locustfile, beside it."""
    ours, stock = read_csv(done.folder / "made" / f"ours{suffix}"), read_csv(done.folder / f"stock{suffix}")
    assert ours[0] == stock[0]
    if suffix in SUFFIXES[:2]:
        kinds = [[_kind(cell) for cell in rows[-1]] for rows in (ours, stock)]
        assert kinds[0] == kinds[1]
    if suffix == "_stats.csv":
        assert [row[:2] for row in ours] == [row[:2] for row in stock]
        count = done.endpoints("run")["/acme/80/file"]
        assert [int(row[2]) for row in ours[1:]] == [count, count]


def _kind(cell: str) -> str:
    """Whether a cell is a whole number, another number, or text; means may be either."""
    return "number" if cell.replace(".", "", 1).isdigit() else cell


def test_it_can_be_run_again_with_other_options_killed_and_resumed(done: Done, piswarm: Piswarm) -> None:
    """What the command line overrides in a scenario is in that run's scenario, by which it is resumed."""
    with Target() as target:
        words = ["--tags", "write", "--tenant", "globex", "-t", "8s", "-r", "8", "-H", target.url, "-u", "8"]
        started = piswarm.start(done.folder / "run" / "scenario.yml", *words)
        started.wait_for("hold")
        os.kill(started.process.pid, signal.SIGKILL)
        started.finish()
        resumed = piswarm.resume(started.directory)
    assert resumed.status in (0, 1, 3), resumed.output  # the target knows no such path
    scenario = yaml.safe_load((started.directory / "scenario.yml").read_text("utf-8"))
    assert scenario["load"] == [{"users": 8, "spawn_rate": 8, "hold": "7s"}]
    assert (scenario["tags"], scenario["arguments"]["tenant"]) == (["write"], "globex")
    assert [endpoint["name"] for endpoint in resumed.result["endpoints"]] == ["/missing/globex"]


@pytest.mark.parametrize(
    ("conf", "variables", "words", "said"),
    [
        ("\nusers = many\n", {}, [], "piswarm: locust.conf:2: users: invalid int value: 'many'"),
        ("userz = 4\n", {}, [], "piswarm: locust.conf:1: no such option: userz; did you mean 'users'?"),
        ("", {"LOCUST_RUN_TIME": "soon"}, [], "piswarm: LOCUST_RUN_TIME: Invalid time span format"),
        (
            "",
            {},
            ["-u", "4", "-t", "8s"],
            "--spawn-rate (its default) 1 all 4 users are there after 4s, which leaves 4s",
        ),
        ("", {}, ["--node", "3"], "piswarm: no such option: --node; did you mean '--local'?"),
    ],
)
def test_what_is_wrong_is_named_where_it_was_said(  # noqa: PLR0917  # the columns of a table
    commands: ForkedCommands, tmp_path: Path, conf: str, variables: dict[str, str], words: list[str], said: str
) -> None:
    """A file and line, or a variable; and what helps."""
    (tmp_path / "locustfile.py").write_text(
        "from locust import User, task\nclass Shop(User):\n    @task\n    def go(self): ...\n"
    )
    (tmp_path / "locust.conf").write_text(conf)
    output = tmp_path / "output"
    status = commands.run(["run", "-H", "http://127.0.0.1:9", *words], tmp_path, output, variables)
    assert (status, said in output.read_text()) == (2, True), output.read_text()


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["-f", "load.py", "--help"], 0, "--tenant TENANT"),
        (["-f", "load.py", "--list"], 0, "Shop\nAdmin"),
        (["-f", "load.py", "--tenat", "x"], 2, "no such option: --tenat; did you mean '--tenant'?"),
        (["-f", "load.py", "scenario.yml"], 2, "exclude each other"),
        (["-h"], 0, "As Locust has them (without a scenario also LOCUST_… and locust.conf) "),
        (["load.py"], 2, "load.py: a locustfile is no scenario\npiswarm run -f load.py"),
        (["-f", "scenario.yml"], 2, "-f scenario.yml: a scenario is no locustfile\npiswarm run scenario.yml"),
        (["-f", "load.py", "-t", "5s", "-t", "5s", "--duration", "5s"], 2, "--duration and --run-time are the same"),
    ],
)
def test_help_list_and_wrong_words_start_nothing(
    commands: ForkedCommands, done: Done, words: list[str], status: int, said: str
) -> None:
    """Options of the locustfile's own are among what help shows, and what is nearest to a wrong word."""
    output = done.folder / "output"
    ended = commands.run(["run", *words], done.folder, output)
    assert (ended, said in output.read_text()) == (status, True), output.read_text()
    assert not (done.folder / "runs").exists()
