"""The `soak` section of a scenario: what may drift, and how fast."""

from __future__ import annotations

from pathlib import Path

import pytest

from master.errors import InputError
from master.scenario import Scenario, SoakLimits, load_scenario

FILE = """\
name: drift
target: embedded
users: {ApiUser: 1}
load:
  - {users: 2, spawn_rate: 2, hold: 1h}
"""


def load(tmp_path: Path, section: str) -> Scenario:
    file = tmp_path / "drift.yml"
    file.write_text(FILE + section, "utf-8")
    return load_scenario(file, ["ApiUser"])


def test_all_limits_are_read_in_base_units_and_written_again(tmp_path: Path) -> None:
    """Also rates of an hour, which are a day's then."""
    section = (
        "soak: {p95: 5 %/day, errors: 0.1 %/h, target_memory: 1 MiB/h, node_memory: 10 MB/day,"
        " controller_memory: 0.3 GB/d, node_temperature: 2 °C/day}\n"
    )
    scenario = load(tmp_path, section)
    assert scenario.soak == SoakLimits(5.0, 2.4, 24 * 2**20, 10e6, 300e6, 2.0)
    (tmp_path / "again.yml").write_text(scenario.to_yaml(), "utf-8")
    assert load_scenario(tmp_path / "again.yml", ["ApiUser"]) == scenario


def test_a_scenario_without_it_asks_for_no_verdict(tmp_path: Path) -> None:
    """An empty one asks for a verdict that limits nothing."""
    assert load(tmp_path, "").soak is None
    assert load(tmp_path, "soak: {}\n").soak == SoakLimits()


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("soak: {p95: 5 %}", "soak.p95: '5 %' is no rate of change: write percentage per day, e.g. 5 %/day"),
        ("soak: {p95: 5 MB/day}", "soak.p95: '5 MB' is not a percentage"),
        ("soak: {p95: 0 %/day}", "must be more than 0: no measurement can show that nothing drifts at all"),
        ("soak: {p95: -1 %/day}", "is negative"),
        ("soak: {target_memory: 10/day}", "has no unit: say the unit, e.g. 10 MB"),
        ("soak: {node_heat: 3 °C/day}", "soak.node_heat: unknown key"),
        ("soak: 5 %/day", "soak: must be a mapping of keys to values"),
        ("soak:", "soak: is empty"),
    ],
)
def test_what_is_no_limit_is_refused_with_its_line(tmp_path: Path, section: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        load(tmp_path, f"{section}\n")
    assert said in str(error.value)
    assert "drift.yml:6" in str(error.value)
