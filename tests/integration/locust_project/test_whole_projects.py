"""A Locust project of several files runs on nodes that have nothing of it, and what they could not use is refused before they are asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from processes import Piswarm
from standing_fleet import StandingFleet, plan

PROJECT = {
    "locustfile.py": """
import csv, pathlib
from locust import constant, task
from shop import paths
from worker.http import HttpUser

HERE = pathlib.Path(__file__).parent
ROWS = list(csv.reader((HERE / "data" / "people.csv").open()))
assert [row for row in csv.reader(open("data/people.csv"))] == ROWS

class Visitor(HttpUser):
    wait_time = constant(0.1)

    @task
    def health(self):
        from late import NAME
        self.client.get(paths.PATH, name=f"{NAME} of {ROWS[0][0]}")
""",
    "more/second.py": """
from locust import constant, task
from worker.http import HttpUser
from shop.paths import PATH

class Second(HttpUser):
    wait_time = constant(0.1)

    @task
    def health(self):
        self.client.get(PATH, name="second")
""",
    "shop/__init__.py": "",
    "shop/paths.py": "from .words import WORD\nPATH = '/' + WORD\n",
    "shop/words.py": "WORD = 'health'\n",
    "late.py": "NAME = 'page'\n",
    "data/people.csv": "ann,1\n",
    "results.log": "x" * 100_000,
    ".gitignore": "*.log\n",
    ".venv/big.py": "raise SystemExit",
}


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_a_project_runs_on_nodes_that_have_nothing_of_it(piswarm: Piswarm, tmp_path: Path) -> None:
    """A package, a module that is imported late, a data file by two paths and a second locustfile are there on real nodes, which
    keep the archive for the next run and nothing else.
    """
    written(tmp_path / "load", PROJECT)
    keys = {"project": "load", "locustfile": ["locustfile.py", "more/second.py"], "shares": {"Visitor": 1, "Second": 1}}
    with StandingFleet(tmp_path, 2) as fleet:
        scenario = plan(piswarm, hold="5s", users=4, **keys)
        content = json.loads(scenario.read_text())
        finished = piswarm.run(scenario, *fleet.options)
        assert finished.status == 0, finished.output
        endpoints = {row["name"]: row["total"] for row in finished.result["endpoints"]}
        assert set(endpoints) == {"page of ann", "second"}
        assert min(endpoints.values()) > 10
        assert finished.result["dropped_messages"] == {}
        fleet.wait_until_idle()
        for name in fleet.names:
            kept = list((fleet.folder(name) / "projects").iterdir())
            assert [path.suffixes for path in kept] == [[".tar", ".gz"]]
            assert kept[0].stat().st_size < 10_000
    assert not (finished.directory / "project.tar.gz").exists()
    assert content["project"] == "load"


@pytest.mark.parametrize(
    ("files", "says"),
    [
        pytest.param({"locustfile.py": "def (:\n"}, "locustfile.py", id="syntax error"),
        pytest.param({"lib.py": "x = (\n", "locustfile.py": "import lib\n"}, "lib.py", id="syntax error of a module"),
        pytest.param(
            {"locustfile.py": "import lib\n", "lib.py": "import no_such_package\n"},
            "no_such_package",
            id="import missing here",
        ),
        pytest.param(
            {"hosts": ""}, "hosts: leads by a symbolic link to /etc/hosts, outside of the project", id="link out"
        ),
        pytest.param({"dump.bin": ""}, "has 2048.0 MiB, where nodes take 256.0 MiB", id="2 GiB"),
        pytest.param(
            {"locustfile.py": "import shop\n", "shop/__init__.py": "from master import X\n", "master.py": "X = 1\n"},
            "shop/__init__.py:1: `master` is piswarm's own package, which hides ../master.py beside it",
            id="named like ours",
        ),
        pytest.param(
            {"locustfile.py": "from worker import X\n", "worker/__init__.py": "X = 1\n"},
            "locustfile.py:1: `worker` is piswarm's own package, which hides worker/__init__.py beside it",
            id="package named like ours",
        ),
    ],
)
def test_what_nodes_could_not_use_is_refused_before_they_are_asked(
    piswarm: Piswarm, tmp_path: Path, files: dict[str, str], says: str
) -> None:
    """A project that can't be imported or sent is refused with status 2 and the place; there is no run, and no node is asked."""
    root = written(tmp_path / "load", PROJECT | files)
    if "hosts" in files:
        (root / "hosts").unlink()
        (root / "hosts").symlink_to("/etc/hosts")
    if "dump.bin" in files:
        with (root / "dump.bin").open("wb") as file:
            file.truncate(2 << 30)
    finished = piswarm.run(
        plan(piswarm, project="load", locustfile="locustfile.py", shares={"Visitor": 1}),
        *StandingFleet(tmp_path, 1).options,
    )
    assert finished.status == 2, finished.output
    assert says in finished.output, finished.output
    assert "Traceback" not in finished.output
    assert not finished.directory.exists()


def test_packages_that_nodes_lack_are_refused_by_name(piswarm: Piswarm, tmp_path: Path) -> None:
    """A package that a task would import and the nodes have not is named with the place and the nodes, and no worker is started."""
    written(tmp_path / "load", PROJECT)
    (tmp_path / "load" / "shop" / "words.py").write_text("WORD = 'health'\ndef pay():\n    import shopkit\n")
    with StandingFleet(tmp_path, 2) as fleet:
        scenario = plan(piswarm, project="load", locustfile="locustfile.py", shares={"Visitor": 1}, nodes={"expect": 2})
        finished = piswarm.run(scenario, *fleet.options)
        assert finished.status == 4, finished.output
        place = f"{tmp_path}/load/shop/words.py:3"
        assert f"{place}: imports shopkit, which is not installed on pi1, pi2" in finished.output
        assert "fab deploy-workers --requirements FILE" in finished.output
        assert not list(tmp_path.glob("pi*/projects"))
        fleet.wait_until_idle()
