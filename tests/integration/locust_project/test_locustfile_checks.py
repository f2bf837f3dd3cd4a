"""Features of Locust that a locustfile uses and piswarm lacks are refused or warned of by name before the command
starts anything.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from processes import Piswarm
from standing_fleet import StandingFleet

USERS = """
from locust import LoadTestShape, constant, events, task
from locust.runners import MasterRunner, WorkerRunner
from worker.http import HttpUser

class Visitor(HttpUser):
    wait_time = constant(0.1)

    @task
    def health(self):
        self.client.get("/health")
"""
LOAD = [{"users": 2, "spawn_rate": 10, "hold": "5s"}]


def with_own(piswarm: Piswarm, folder: Path, text: str, **changes: object) -> Path:
    """A scenario whose locustfile has this text added."""
    (folder / "own.py").write_text(USERS + text, encoding="utf-8")
    return piswarm.scenario(**({"locustfile": "own.py", "nodes": {"expect": 1}, "load": LOAD} | changes))


@pytest.mark.parametrize(
    ("locustfile", "says"),
    [
        pytest.param(
            "class Bank(HttpUser):\n    def on_start(self): self.client.get('/')\n",
            "scenario.yml:1: users.Bank: has no task, so its users would make no request: give the class one (@task)",
            id="no task",
        ),
        pytest.param(
            "@events.init_command_line_parser.add_listener\n"
            "def add(parser):\n"
            "    parser.add_argument('--tenant', required=True)\n",
            "own.py: its own options: the following arguments are required: --tenant",
            id="option that must be given",
        ),
    ],
)
def test_what_would_make_another_load_or_verdict_is_refused(
    piswarm: Piswarm, tmp_path: Path, locustfile: str, says: str
) -> None:
    """A feature whose lack would change load or verdict is refused with status 2, file and line, and nothing is started."""
    users = {"Visitor": 1, "Bank": 1} if "Bank" in locustfile else {"Visitor": 1}
    finished = piswarm.run(with_own(piswarm, tmp_path, locustfile, users=users))
    assert finished.status == 2, finished.output
    assert says in finished.output
    assert "Traceback" not in finished.output
    assert not finished.directory.exists()


def test_tags_chosen_by_the_environment_are_refused(
    piswarm: Piswarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LOCUST_TAGS is refused, since it would choose tasks on simulated nodes and not on real ones."""
    monkeypatch.setenv("LOCUST_TAGS", "good")
    finished = piswarm.run(with_own(piswarm, tmp_path, ""))
    assert (finished.status, "LOCUST_TAGS is set" in finished.output) == (2, True), finished.output


def test_a_module_that_piswarms_own_package_hides_is_named(piswarm: Piswarm, tmp_path: Path) -> None:
    """A module hidden by piswarm's own package is named, and not reported as a failed import."""
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "master.py").write_text("PATH = '/health'\n", encoding="utf-8")
    finished = piswarm.run(with_own(piswarm, shop, "from master import PATH\n", locustfile="shop/own.py"))
    assert finished.status == 2, finished.output
    assert "own.py:12: `master` is piswarm's own package, which hides master.py beside it" in finished.output


def test_what_is_merely_not_used_is_told_at_the_start_and_kept(
    piswarm: Piswarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A feature without effect is warned of in one line on the screen, in result.json and in the report; own options apply."""
    monkeypatch.setenv("SHOP_TENANT", "<globex>")
    monkeypatch.setenv("LOCUST_USERS", "7")
    log = tmp_path / "said.log"
    scenario = with_own(
        piswarm,
        tmp_path,
        f"""
Visitor.weight = 3
Visitor.fixed_count = 1
Visitor.host = "http://other.test"
@events.init_command_line_parser.add_listener
def add(parser):
    parser.add_argument("--tenant", env_var="SHOP_TENANT", default="acme")
    parser.add_argument("--depth", default=3)

@events.test_start.add_listener
def say(environment, **_):
    import logging
    logging.info("a word to keep")
    with open({str(log)!r}, "a") as file:
        file.write(environment.parsed_options.tenant)
""",
    )
    finished = piswarm.run(scenario)
    start = "piswarm: warning: "
    warnings = [line.removeprefix(start) for line in finished.output.splitlines() if line.startswith(start)]
    assert set(warnings) <= set(finished.result["warnings"]), finished.output
    expected = [
        "LOCUST_USERS is set, and not used. ",
        "the classes' host is not used (Visitor http://other.test). All load goes to embedded.",
        "weights and fixed counts of the classes are not used (Visitor = 1). ",
    ]
    assert len(warnings) == len(expected), warnings
    for words in expected:
        assert len([one for one in warnings if words in one]) == 1, (words, warnings)
    report = (finished.directory / "report.html").read_text(encoding="utf-8")
    assert "weights and fixed counts of the classes are not used" in report
    assert log.read_text() == 2 * "<globex>"  # on the worker, and on the master side
    assert "a word to keep" in (finished.directory / "logs" / "rack-1.log").read_text(encoding="utf-8")


def test_what_real_nodes_would_not_have_is_refused_before_they_are_asked(
    piswarm: Piswarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a project reads and nodes are not sent is refused with its place, and variables of this machine are warned of."""
    monkeypatch.setenv("SHOP_TOKEN", "x")
    folder = tmp_path / "shop"
    (folder / "helpers").mkdir(parents=True)
    (folder / "helpers" / "__init__.py").touch()
    (folder / "helpers" / "paths.py").write_text("PATH = '/health'\n", encoding="utf-8")
    (folder / "people.csv").write_text("ann\n", encoding="utf-8")
    (folder / "later.json").write_text("{}", encoding="utf-8")
    (tmp_path / "outside.txt").touch()
    scenario = with_own(
        piswarm,
        folder,
        """
import os, pathlib
from helpers.paths import PATH
NAMES = (pathlib.Path(__file__).parent / ("people" + ".csv")).read_text()
TOKEN = os.environ["SHOP_TOKEN"]
LATER = "later.json", "../outside.txt"
""",
        locustfile="shop/own.py",
    )
    fleet = StandingFleet(tmp_path, 1)
    finished = piswarm.run(scenario, *fleet.options)
    assert finished.status == 2, finished.output
    unnamed = f"own.py: reads {folder}/people.csv, and nodes get only what the locustfiles' source names. Name the folder in the scenario"
    assert unnamed in finished.output
    assert f"own.py:17: reads {tmp_path}/outside.txt, and nodes get what lies in {folder} alone" in finished.output
    assert "2 things" in finished.output
    assert not finished.directory.exists()

    (folder / "own.py").write_text(USERS + "import os\nTOKEN = os.environ['SHOP_TOKEN']\n", encoding="utf-8")
    content = json.loads(scenario.read_text(encoding="utf-8"))
    content["nodes"] = {"expect": 1, "wait": "1s"}
    scenario.write_text(json.dumps(content), encoding="utf-8")
    finished = piswarm.run(scenario, *fleet.options)
    assert "own.py:13: the environment variable SHOP_TOKEN is set here, and real nodes don't have it" in finished.output
    assert finished.status == 4  # no node is there


def test_a_scenario_needs_no_target_where_its_classes_have_a_host(piswarm: Piswarm, tmp_path: Path) -> None:
    """A scenario without a target uses the host of its user classes, as Locust does."""
    scenario = with_own(piswarm, tmp_path, "Visitor.host = 'http://127.0.0.1:9'\n")
    content = json.loads(scenario.read_text(encoding="utf-8"))
    del content["target"]
    scenario.write_text(json.dumps(content), encoding="utf-8")
    finished = piswarm.run(scenario)
    assert (finished.status, "http://127.0.0.1:9 can't be reached" in finished.output) == (4, True), finished.output
