"""Every scenario that comes with piswarm can be run: as it is, and for half a minute with 50 nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from master.scenario import EMBEDDED, Overrides, Scenario, load_scenario
from worker.load.locustfile.catalogue import user_classes

ROOT = Path(__file__).parents[3]
SCENARIOS = sorted((ROOT / "configs" / "scenarios").glob("*.yml"))
PERFORMANCE = sorted((ROOT / "tests" / "performance").glob("scenarios/*.yml"))
RIGHT_WAY = {"rate": ">", "rate_per_user": ">", "arrival_rate": ">", "cache_hits": ">"}
"""How rules on a metric of which more is better compare; all others have an upper limit."""


def load(file: Path, overrides: Overrides | None = None) -> Scenario:
    return load_scenario(file, user_classes(), overrides or Overrides())


def test_all_scenarios_of_the_platform_are_there() -> None:
    """Those that the load profile of a remote-desktop platform names, and more."""
    names = {file.stem for file in SCENARIOS}
    assert {"light", "medium", "heavy", "stress", "concurrent-users", "concurrent-sessions"} <= names
    assert {"node-scaling", "database-scaling", "mixed", "soak", "swarm"} <= names


@pytest.mark.parametrize("file", [*SCENARIOS, *PERFORMANCE], ids=lambda file: file.stem)
def test_it_can_be_read_and_is_named_as_its_file(file: Path) -> None:
    """So that a run's name says which one it was; the first line says what it is for."""
    scenario = load(file)
    assert scenario.name == file.stem.replace("_", "-")
    assert scenario.description
    assert file.read_text("utf-8").startswith("# ")


@pytest.mark.parametrize("file", [*SCENARIOS, *PERFORMANCE], ids=lambda file: file.stem)
def test_it_judges_errors_and_latencies(file: Path) -> None:
    """All rules point the right way: no threshold holds because everything is slow or fails."""
    rules = load(file).thresholds
    assert any(rule.metric == "errors" and rule.endpoint is None for rule in rules)
    assert any(rule.percent is not None for rule in rules)
    for rule in rules:
        if not rule.default:
            assert rule.op.startswith(RIGHT_WAY.get(rule.metric, "<")), rule.text


@pytest.mark.parametrize(
    "file", [each for each in SCENARIOS if each.stem not in {"hot-rack", "swarm"}], ids=lambda file: file.stem
)
def test_it_can_be_run_for_half_a_minute_with_fifty_nodes(file: Path) -> None:
    """Its ramps leave time to hold its users, and its rules have windows that fit into that."""
    scenario = load(file, Overrides(duration_s=30, nodes=50))
    assert scenario.nodes.expect == 50
    assert max(stage.hold_s for stage in scenario.load) > 4


@pytest.mark.parametrize(
    ("name", "users", "spawn_rate", "minutes"),
    [("light", 50, 5, 5), ("medium", 200, 10, 10), ("heavy", 500, 20, 15), ("stress", 1000, 50, 20)],
)
def test_the_four_sizes_are_those_of_the_load_profile(name: str, users: int, spawn_rate: float, minutes: int) -> None:
    """Ramp and hold together take the time that it names."""
    (stage,) = load(ROOT / "configs" / "scenarios" / f"{name}.yml").load
    assert (stage.users, stage.spawn_rate) == (users, spawn_rate)
    assert stage.ramp_s(0) + stage.hold_s == 60 * minutes


@pytest.mark.parametrize(
    ("name", "max_users", "peak_per_s", "errors"),
    [
        ("upload", 50, 500, "errors < 5 %"),
        ("streaming", 100, 1000, "errors < 2 %"),
        ("metadata", 50, 500, "errors < 3 %"),
        ("auth", 30, 300, "errors < 2 %"),
        ("cache", 100, 2000, "errors < 1 %"),
        ("concurrent-users", 1000, 5200, "errors < 5 %"),
        ("spike", 200, 2000, "errors < 10 %"),
        ("sustained", 100, 500, "errors < 3 %"),
    ],
)
def test_streamgate_is_offered_the_rates_that_its_load_profile_names(
    name: str, max_users: int, peak_per_s: float, errors: str
) -> None:
    """With its gates; that of the latency is the same for all."""
    scenario = load(ROOT / "configs" / "scenarios" / f"streamgate-{name}.yml")
    (stage,) = scenario.load
    assert (stage.max_users, stage.peak_per_s) == (max_users, peak_per_s)
    assert stage.hold_s == 60
    assert {errors, "p95 < 200 ms"} < {rule.text for rule in scenario.thresholds}


def test_only_scenarios_of_databases_have_another_target_than_the_embedded_one() -> None:
    """All others run without anything but this machine."""
    others = {file.stem for file in SCENARIOS if load(file).target != EMBEDDED}
    assert others == {"database-scaling", "database-postgresql"}
