"""A scenario file becomes a Scenario, the command line changes it, and it can be written back to a file."""

import re
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from master.errors import InputError
from master.fleet.registry import MAX_BEYOND_S
from master.load.schedule import LoadSchedule, whole_seconds
from master.scenario import (
    ExpectedNodes,
    LocustProject,
    Overrides,
    Scenario,
    SimulatedRack,
    Stage,
    ValidityLimits,
    load_scenario,
    parse_threshold,
    project_of,
)
from master.scenario.overrides import override
from master.scenario.rules import with_defaults
from master.scenario.windows import EDGES_S, find_hold_fault, find_ramp_fault, find_window_fault, shortest_hold_s
from worker.simulation.boards import KINDS
from worker.wire.work import Tracing, UserShare

DATA = Path(__file__).parent / "scenarios"
KNOWN = ("ApiUser", "SessionUser", "Canary")


DEFAULT_NODES = ExpectedNodes()


def scenario(
    *stages: Stage, users: dict[str, UserShare] | None = None, nodes: ExpectedNodes = DEFAULT_NODES
) -> Scenario:
    return Scenario(
        "s", "embedded", users or {"ApiUser": UserShare(weight=1)}, stages, nodes=nodes, thresholds=with_defaults(())
    )


def reloaded(original: Scenario) -> Scenario:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "scenario.yml"
        file.write_text(original.to_yaml(), encoding="utf-8")
        return load_scenario(file, original.users)


def test_a_full_scenario_is_read_with_every_unit_converted() -> None:
    read = load_scenario(DATA / "good.yml", KNOWN)
    assert read.name == "gateway-mixed"
    assert read.seed == 7
    assert read.target == "http://gateway.test:8080/base"
    assert read.users == {
        "ApiUser": UserShare(weight=8),
        "SessionUser": UserShare(weight=2.5),
        "Canary": UserShare(fixed_count=3),
    }
    assert read.load == (Stage(100, 50, 90), Stage(1000, 12.5, 1200), Stage(0, 100, 0))
    assert read.nodes == ExpectedNodes(500, 475, 120)
    assert read.fleet == {"pi4-bare": 200, "pi5-cooled": 250, "zero2w": 50.5}
    assert read.rack == SimulatedRack(35, 10, 2.5, 0.02, 10)
    assert [threshold.text for threshold in read.thresholds] == [
        "rate >= 600/s",
        "POST /auth/login p95 < 100 ms",
        "errors < 5 %",
        "p99 < 500 ms over 10s, abort",
        "exceptions = 0 (default)",
    ]
    assert read.validity == ValidityLimits(
        loop_lag_p99_ms=40, node_cpu_percent=85, excluded_share_percent=2.5, users_percent=97.5, local_errors=3
    )
    assert (read.sample_period_s, read.stop_timeout_s) == (0.5, 30)
    assert read.tracing == Tracing("https://collector.test:4318/otlp", 0.5)
    assert read.max_users == 1000


def test_what_is_left_out_has_a_default_and_the_file_gives_the_name(tmp_path: Path) -> None:
    file = tmp_path / "smoke-1.yml"
    file.write_text("\ufefftarget: embedded\r\nusers: {ApiUser: 1}\r\nload: [{users: 1, spawn_rate: 1, hold: 5s}]\r\n")
    assert load_scenario(file, KNOWN) == replace(scenario(Stage(1, 1, 5)), name="smoke-1")


@pytest.mark.parametrize(
    ("rules", "defaults"),
    [
        ([], ["errors = 0 (default)", "exceptions = 0 (default)"]),
        (["p95 < 1 s"], ["errors = 0 (default)", "exceptions = 0 (default)"]),
        (["errors < 1 %"], ["exceptions = 0 (default)"]),
        (["errors < 1 % over 10s, abort", "exceptions < 5"], []),
        (["GET /a errors < 1 %", "exceptions < 5 over 1m"], ["errors = 0 (default)"]),
        (["errors = 0 (default)", "errors < 5 %"], ["exceptions = 0 (default)"]),
    ],
)
def test_errors_and_exceptions_are_judged_where_no_rule_is_on_all_of_them(
    tmp_path: Path, rules: list[str], defaults: list[str]
) -> None:
    """The default thresholds on errors and exceptions are marked as such, and left out where the scenario has its own
    on all of them.
    """
    file = tmp_path / "s.yml"
    file.write_text(replace(scenario(Stage(1, 1, 90)), thresholds=tuple(map(parse_threshold, rules))).to_yaml())
    read = load_scenario(file, KNOWN).thresholds
    assert [rule.text for rule in read if rule.default] == defaults
    assert [rule.text for rule in read if not rule.default] == [rule for rule in rules if "(default)" not in rule]


def test_min_nodes_is_expect_unless_given(tmp_path: Path) -> None:
    file = tmp_path / "s.yml"
    file.write_text(scenario(Stage(1, 1, 5)).to_yaml().replace("  expect: 1\n  min: 1\n", "  expect: 7\n"))
    assert load_scenario(file, KNOWN).nodes == ExpectedNodes(7, 7)


def test_a_locust_file_is_found_beside_the_scenario_and_survives_a_move(tmp_path: Path) -> None:
    (tmp_path / "own.py").touch()
    file = tmp_path / "s.yml"
    file.write_text("locustfile: own.py\n" + scenario(Stage(1, 1, 5)).to_yaml())
    read = load_scenario(file, KNOWN)
    assert read.project == LocustProject(tmp_path, (tmp_path / "own.py",))
    assert reloaded(read) == read


def test_the_full_scenario_survives_writing_and_reading() -> None:
    read = load_scenario(DATA / "good.yml", KNOWN)
    assert reloaded(read) == read


seconds = st.floats(0.001, 2_000_000, allow_nan=False)
percents = st.floats(0, 100)
LONGEST_PERIOD_S = 60
stages = st.builds(
    Stage, users=st.integers(1, 10_000), spawn_rate=st.floats(0.01, 10_000), hold_s=st.floats(0.001, 2_000_000)
)
scenarios = st.builds(
    Scenario,
    name=st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True),
    description=st.text(st.characters(codec="utf-8").filter(str.isprintable) | st.just("\n"), max_size=50),
    seed=st.integers(0, 2**63 - 1),
    target=st.sampled_from(["embedded", "https://a.test", "http://[::1]:8080/x/"]),
    users=st.dictionaries(
        st.from_regex(r"[A-Z][A-Za-z0-9_]{0,10}", fullmatch=True),
        st.builds(UserShare, weight=st.floats(0.001, 1000)),
        min_size=1,
        max_size=4,
    ),
    load=st.lists(stages, min_size=1, max_size=5)
    .map(tuple)
    .filter(lambda load: not find_ramp_fault(load) and not find_hold_fault(load, LONGEST_PERIOD_S)),
    nodes=st.builds(ExpectedNodes, expect=st.just(500), min=st.integers(1, 500), wait_s=seconds),
    fleet=st.dictionaries(st.sampled_from(sorted(KINDS)), st.floats(0.001, 1000), min_size=1, max_size=4),
    rack=st.builds(
        SimulatedRack,
        ambient_c=st.floats(-40, 70),
        spread_c=st.floats(0, 40),
        weak_supply_percent=percents,
        request_cpu_s=st.none() | st.floats(0.00001, 10),
        thermal_speed=st.floats(1, 100),
    ),
    thresholds=st.sets(
        st.sampled_from(["POST /a: {b} # c p95 < 100 ms", "errors <= 0.1%", "exceptions < 3", "GET / errors = 0"])
    ).map(lambda rules: with_defaults(map(parse_threshold, rules))),
    validity=st.builds(
        ValidityLimits,
        loop_lag_p99_ms=st.floats(0, 3600e3),
        worker_cpu_percent=percents,
        node_cpu_percent=percents,
        node_memory_percent=percents,
        controller_cpu_percent=percents,
        clock_error_ms=st.floats(0, 3600e3),
        latency_error_percent=st.floats(0, 10_000),
        missing_samples_percent=percents,
        excluded_share_percent=percents,
        users_percent=percents,
        local_errors=st.integers(0, 2**53),
    ),
    sample_period_s=st.floats(0.2, LONGEST_PERIOD_S),
    stop_timeout_s=st.floats(1, 3600),
    tracing=st.none() | st.builds(Tracing, st.just("http://[::1]:4318"), st.floats(0.001, 100)),
)


@pytest.mark.parametrize("text", ["0E0", "1e3", "012", "0o17", "0x1F", "1:30", "no", "~", "1_000", "+.5E7", "=", ""])
def test_text_that_looks_like_something_else_survives_writing_and_reading(text: str) -> None:
    """Text that looks like a number or truth value survives writing and reading, also where PyYAML does not quote it."""
    original = replace(scenario(Stage(1, 1, 5)), description=text)
    assert reloaded(original) == original


@settings(max_examples=25, deadline=None)
@given(scenarios)
def test_any_scenario_survives_writing_and_reading(original: Scenario) -> None:
    assert reloaded(original) == original


@pytest.mark.parametrize(
    ("users", "expected"),
    [
        pytest.param(100, [10, 100, 1], id="the peak itself changes nothing"),
        pytest.param(1000, [100, 1000, 10], id="ten times the peak is ten times each"),
        pytest.param(5, [1, 5, 1], id="no stage with users loses its last"),
        pytest.param(25, [3, 25, 1], id="a half is rounded up"),
    ],
)
def test_users_scales_every_stage_to_the_new_peak(users: int, expected: list[int]) -> None:
    changed = override(scenario(Stage(10, 1, 1), Stage(100, 1, 1), Stage(1, 1, 1)), Overrides(users=users))
    assert [stage.users for stage in changed.load] == expected


def test_users_leaves_an_empty_stage_empty_and_fixed_counts_as_they_are() -> None:
    shares = {"ApiUser": UserShare(weight=1), "Canary": UserShare(fixed_count=3)}
    changed = override(scenario(Stage(10, 1, 1), Stage(0, 1, 1), users=shares), Overrides(users=50))
    assert [stage.users for stage in changed.load] == [50, 0]
    assert changed.users == shares


@given(
    st.lists(st.builds(Stage, st.integers(1, 500), st.floats(1, 100), st.floats(1, 1000)), min_size=1, max_size=5),
    st.floats(22, 10_000),  # so that the longest of five holds can be judged
)
def test_duration_is_the_length_of_the_whole_run_with_the_ramps_as_they_were(
    stages: list[Stage], hold_total_s: float
) -> None:
    plan = scenario(*stages)
    ramp_total_s = LoadSchedule(stages).total_s - sum(stage.hold_s for stage in stages)
    changed = override(plan, Overrides(duration_s=ramp_total_s + hold_total_s))
    assert LoadSchedule(changed.load).total_s == pytest.approx(ramp_total_s + hold_total_s)
    assert [(stage.users, stage.spawn_rate) for stage in changed.load] == [(s.users, s.spawn_rate) for s in stages]
    ratios = [new.hold_s / old.hold_s for new, old in zip(changed.load, stages, strict=True)]
    assert ratios == pytest.approx([ratios[0]] * len(ratios))


def test_duration_counts_the_ramps_of_the_scaled_users() -> None:
    changed = override(scenario(Stage(100, 10, 60)), Overrides(users=200, duration_s=50))
    assert changed.load == (Stage(200, 10, 30),)


@pytest.mark.parametrize(("nodes", "least"), [(500, 475), (1, 1), (4, 4), (100, 95), (1000, 950)])
def test_nodes_keeps_the_share_of_nodes_that_must_be_there(nodes: int, least: int) -> None:
    changed = override(scenario(Stage(1, 1, 1), nodes=ExpectedNodes(500, 475, 9)), Overrides(nodes=nodes))
    assert changed.nodes == ExpectedNodes(nodes, least, 9)


def test_target_wins_over_the_file_and_overrides_reach_the_loader() -> None:
    read = load_scenario(DATA / "good.yml", KNOWN, Overrides(target="embedded", nodes=2))
    assert (read.target, read.nodes.expect, read.nodes.min) == ("embedded", 2, 2)
    assert reloaded(read) == read


@pytest.mark.parametrize(
    "target",
    ["postgresql://me@a.test:5432/x", "redis://a.test/1", "mongodb://a.test", "sqlite:", "sqlite:///var/lib/x.db"],
)
def test_a_target_may_be_a_database(target: str) -> None:
    """For users of databases; the account's name may be in its URL."""
    read = load_scenario(DATA / "good.yml", KNOWN, Overrides(target=target))
    assert read.target == target
    assert reloaded(read) == read


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (Overrides(users=0), "--users 0: must be from 1"),
        (Overrides(users=-5), "--users -5: must be from 1"),
        (Overrides(users=2), "--users 2: the fixed counts add up to 3, more than the 2 users"),
        (Overrides(duration_s=0), "--duration 0s: must be above 0s"),
        (Overrides(duration_s=float("nan")), "--duration nans: must be above 0s"),
        (Overrides(duration_s=1e9), "at most 31d"),
        (Overrides(duration_s=8), "--duration 8s: the ramps alone take 10s"),
        (Overrides(duration_s=22.1), "--duration 22.1s: 'p95 < 1 s over 10s, abort' needs a hold of 12.2s"),
        (Overrides(nodes=0), "--local 0: must be from 1"),
        (Overrides(target="gateway"), "--target: 'gateway' is neither"),
        (Overrides(target="sqlite:x.db"), "--target: 'sqlite:x.db' is no SQLite file: write sqlite:///absolute/path"),
        (Overrides(target="postgresql://a.test/x?sslmode=off"), "has a query"),
    ],
)
def test_an_override_that_can_not_be_is_refused_by_its_option_with_advice(overrides: Overrides, says: str) -> None:
    shares = {"ApiUser": UserShare(weight=1), "Canary": UserShare(fixed_count=3)}
    with pytest.raises(InputError) as caught:
        override(
            replace(
                scenario(Stage(100, 10, 60), users=shares), thresholds=(parse_threshold("p95 < 1 s over 10s, abort"),)
            ),
            overrides,
        )
    assert says in caught.value.message
    assert caught.value.hint


def test_a_hold_that_is_long_enough_by_plan_always_has_the_seconds_that_a_window_needs() -> None:
    """A hold that is long enough by plan has the seconds that a window needs whenever it begins; a little shorter one may not."""
    for window_s in (1, 10, 60):
        rule = parse_threshold(f"p95 < 1 s over {window_s}s")
        enough_s = window_s + EDGES_S
        assert find_window_fault(rule, [Stage(1, 1, enough_s)]) is None
        assert find_window_fault(rule, [Stage(1, 1, enough_s - 0.01)])
        judged = [
            len(whole_seconds([(start_s + MAX_BEYOND_S, start_s + hold_s - MAX_BEYOND_S)]))
            for hold_s in (enough_s, enough_s - 0.01)
            for start_s in (part / 1000 for part in range(1000))
        ]
        assert min(judged[:1000]) >= window_s > min(judged[1000:])


@pytest.mark.parametrize("period_s", [0.2, 1, 60])
def test_the_shortest_hold_that_is_taken_always_has_a_second_that_is_judged_and_a_sample_that_is_due(
    period_s: float,
) -> None:
    """A hold of the shortest length has a whole second between its edges whenever it begins, and a sample is due in it."""
    hold_s = shortest_hold_s(period_s)
    assert find_hold_fault([Stage(1, 1, hold_s)], period_s) is None
    assert find_hold_fault([Stage(1, 1, hold_s - 0.01), Stage(0, 1, 600)], period_s)
    for start_s in (part / 1000 for part in range(1000)):
        span = (start_s + MAX_BEYOND_S, start_s + hold_s - MAX_BEYOND_S)
        assert whole_seconds([span])
        assert int((span[1] - span[0]) / period_s) - 2 >= 1


def test_a_duration_that_leaves_nothing_to_judge_is_refused() -> None:
    """A duration that leaves no hold long enough to be judged is refused by the name of the option."""
    with pytest.raises(
        InputError, match=r"^--duration 13s: too short to be judged: a hold of users needs at least 4\.3s "
    ):
        override(scenario(Stage(100, 10, 60)), Overrides(duration_s=13))


def test_a_duration_that_leaves_enough_for_every_window_is_taken() -> None:
    """A duration that leaves a hold long enough for every window is accepted; the ramp of 10 s is no part of the hold."""
    plan = replace(scenario(Stage(100, 10, 60)), thresholds=(parse_threshold("p95 < 1 s over 10s"),))
    assert override(plan, Overrides(duration_s=22.2)).load[0].hold_s == pytest.approx(12.2)


def test_users_is_refused_where_all_counts_are_fixed_and_do_not_add_up_to_it() -> None:
    plan = scenario(Stage(3, 1, 1), users={"Canary": UserShare(fixed_count=3)})
    with pytest.raises(InputError, match="so 5 users are never reached"):
        override(plan, Overrides(users=5))


def test_a_scenario_without_target_has_that_of_the_command_or_the_host_of_its_classes(tmp_path: Path) -> None:
    """A scenario without a target has that of the command line, or else the host of the classes that it names."""
    file = tmp_path / "s.yml"
    file.write_text("users: {A: 1, B: 1}\nload: [{users: 2, spawn_rate: 1, hold: 5s}]\n", encoding="utf-8")
    hosts = {"A": "http://a.test", "C": "http://c.test"}
    assert load_scenario(file, "ABC", Overrides(), hosts).target == "http://a.test"
    assert load_scenario(file, "ABC", Overrides(target="http://x.test"), hosts).target == "http://x.test"
    assert project_of(file) is None


@pytest.mark.parametrize(
    ("hosts", "says"),
    [
        ({}, "target: required, but not given: here, by --target, or as the host of the user classes"),
        ({"A": "http://a.test", "B": "http://b:pw@b.test"}, "the host of the user classes holds credentials"),
        ({"A": "a.test"}, "the host of the user classes 'a.test' is neither"),
    ],
)
def test_a_scenario_without_any_target_is_refused(tmp_path: Path, hosts: dict[str, str], says: str) -> None:
    """A scenario without a target is refused if its classes have none, or one that is no URL."""
    file = tmp_path / "s.yml"
    file.write_text("users: {A: 1, B: 1}\nload: [{users: 2, spawn_rate: 1, hold: 5s}]\n", encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(says)):
        load_scenario(file, "AB", Overrides(), hosts)
