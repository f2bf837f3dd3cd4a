"""The scenario that options of a command line amount to, and faults that name the options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from master.errors import InputError
from master.scenario import Scenario, load_scenario
from master.scenario.from_options import RunOptions, document_of
from master.scenario.load_stages import OpenStage, ShapeLoad, Stage
from master.scenario.project_keys import project_at
from worker.wire.work import UserShare

SHARES: Mapping[str, UserShare] = {"Shop": UserShare(weight=3), "Admin": UserShare(weight=0, fixed_count=1)}


@pytest.fixture
def locustfile(tmp_path: Path) -> Path:
    file = tmp_path / "My Shop.py"
    file.write_text("")
    return file


def scenario_of(locustfile: Path, **options: Any) -> Scenario:
    run = RunOptions(
        locustfiles=[locustfile], **{"target": "http://127.0.0.1:1", "users": 10, "spawn_rate": 5} | options
    )
    return load_scenario(document_of(run, SHARES), SHARES, own_shares=SHARES)


def test_users_spawn_rate_and_run_time_are_one_stage_whose_ramp_is_part_of_the_time(locustfile: Path) -> None:
    """As Locust counts it. Without classes all of the locustfile run, in their own shares."""
    scenario = scenario_of(locustfile, run_time_s=60.0, tags=["a"], arguments={"fast": True}, nodes=3)
    assert scenario.load == (Stage(10, 5, 58),)
    assert scenario.users == SHARES
    assert (scenario.tags, scenario.arguments, scenario.nodes.expect) == (("a",), {"fast": True}, 3)
    assert scenario.name == "my-shop"


def test_it_is_written_as_a_file_that_says_the_same(locustfile: Path, tmp_path: Path) -> None:
    """So that the run directory's scenario can be run again, and resumed."""
    scenario = scenario_of(locustfile, user_classes=["Admin", "Shop"], stop_timeout_s=5.0)
    file = tmp_path / "scenario.yml"
    file.write_text(scenario.to_yaml())
    assert load_scenario(file, SHARES) == scenario


def test_a_rate_makes_it_an_open_load(locustfile: Path) -> None:
    """Of arrivals, with so many users at most."""
    scenario = scenario_of(locustfile, rate_per_s=50.0, run_time_s=20.0)
    assert scenario.load == (OpenStage(50, 10, 20),)


def test_a_load_shape_says_how_many_users_run(locustfile: Path) -> None:
    """Until it ends, or for the run time."""
    assert scenario_of(locustfile, follows_shape=True).shape == ShapeLoad()
    assert scenario_of(locustfile, follows_shape=True, run_time_s=90.0).shape == ShapeLoad(None, 90)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"user_classes": ["Shp"]}, r"user classes Shp: unknown user class; did you mean 'Shop'\?"),
        ({"users": 0}, "--users, --spawn-rate, --run-time: "),
        ({"users": 1, "user_classes": ["Shop", "Admin"], "nodes": 0}, "--local: must be at least 1"),
        ({"target": "ftp://x"}, "--host: 'ftp://x' is neither"),
        ({"stop_timeout_s": 0.5}, "--stop-timeout: "),
        (
            {"run_time_s": 2.0},
            "--run-time 2s: too short to be judged: at --spawn-rate 5 all 10 users are there after 2s, which leaves 0s",
        ),
        (
            {"run_time_s": 8.0, "users": 4, "spawn_rate": 1},
            r"leaves 4s of the 4.3s that are needed\nSay --run-time 9s, or --spawn-rate 2\.$",
        ),
        ({"run_time_s": 1.0, "users": 1, "spawn_rate": 1}, r"the one user is there after 1s.*\nSay --run-time 6s\.$"),
        ({"run_time_s": 1.0, "places": {"--run-time": "LOCUST_RUN_TIME"}}, r"--run-time \(LOCUST_RUN_TIME\) 1s: "),
        ({"run_time_s": 1.0, "rate_per_s": 5.0}, "--rate, --max-users, --run-time: too short to be judged: "),
        ({"target": "x", "places": {"--host": "locust.conf:3"}}, r"--host \(locust.conf:3\): 'x' is neither"),
        ({"target": None}, "--host: required, but not given"),
    ],
)
def test_faults_name_the_option(locustfile: Path, options: dict[str, Any], said: str) -> None:
    """And where it was given, if not on the command line."""
    with pytest.raises(InputError) as refused:
        scenario_of(locustfile, **options)
    assert re.search(said, f"{refused.value}\n{refused.value.hint}")


def test_locustfiles_are_files_and_folders_here(tmp_path: Path, locustfile: Path) -> None:
    """All below one folder, which is the project's."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "other.py").write_text("")
    project = project_at([locustfile.name, "more"], tmp_path)
    assert project.relative == ["My Shop.py", "more/other.py"]
    for named, said in (
        (["nothing.py"], "no such file; the path is relative to the working directory"),
        (["http://x/y.py"], "are not fetched"),
    ):
        with pytest.raises(InputError, match=f"^-f .*{said}"):
            project_at(named, tmp_path)
