"""The load of the open model is read from a scenario file, changed by the command line, and written back."""

import re
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from master.errors import InputError
from master.project.scenario_loading import load_warnings
from master.scenario import ExpectedNodes, OpenStage, Overrides, Scenario, Sine, Spike, Stage, UnfitUsers, load_scenario
from master.scenario.load_stages import find_curve_faults, ramps_s
from master.scenario.overrides import override
from master.scenario.rules import parse_threshold, with_defaults
from master.scenario.windows import find_hold_fault, find_ramp_fault
from worker.wire.work import UserShare

HEAD = "target: embedded\nusers: {ApiUser: 1}\n"
PLAIN = OpenStage(rate_per_s=500, max_users=50, hold_s=60)


def read(folder: Path, load: str, head: str = HEAD) -> Scenario:
    file = folder / "case.yml"
    file.write_text(f"{head}load:\n{load}", encoding="utf-8")
    return load_scenario(file, ("ApiUser", "Canary"))


def opened(*stages: OpenStage, users: dict[str, UserShare] | None = None) -> Scenario:
    rules = with_defaults((), open_model=True)
    return Scenario("s", "embedded", users or {"ApiUser": UserShare(weight=1)}, stages, thresholds=rules)


@pytest.mark.parametrize(
    ("load", "stage"),
    [
        ("rate: 500/s, hold: 1m, max_users: 50", PLAIN),
        ("rate: 30000/min, hold: 1m, max_users: 50", PLAIN),
        ("rate: 30000/m, hold: 1m, max_users: 50, arrivals: even", PLAIN),
        ("rate: 500 /s, ramp: 30s, hold: 1m, max_users: 50", replace(PLAIN, ramp_s=30)),
        ("rate: 500/s, hold: 1m, max_users: 50, arrivals: poisson", replace(PLAIN, poisson=True)),
        (
            "rate: 500/s, hold: 1m, max_users: 50, sine: {amplitude: 500/s, period: 20s}",
            replace(PLAIN, sine=Sine(500, 20)),
        ),
        (
            "rate: 500/s, hold: 1m, max_users: 50, spike: {rate: 2000/s, at: 20s, for: 5s}",
            replace(PLAIN, spikes=(Spike(2000, 20, 5),)),
        ),
        (
            "rate: 0/s, hold: 1m, max_users: 50, spike: [{rate: 9/s, at: 55s, for: 5s}, {rate: 0/s, at: 0s, for: 55s}]",
            replace(PLAIN, rate_per_s=0, spikes=(Spike(9, 55, 5), Spike(0, 0, 55))),
        ),
    ],
)
def test_a_stage_with_a_rate_is_of_the_open_model(tmp_path: Path, load: str, stage: OpenStage) -> None:
    """Ramps, sines, spikes and the kind of arrivals are read; what is left out is none, and even."""
    scenario = read(tmp_path, f"  - {{{load}}}\n")
    assert scenario.open_model
    assert scenario.load == scenario.open_stages == (stage,)
    assert (scenario.closed_stages, scenario.max_users) == ((), 50)


def test_stages_follow_each_other_with_ramps_and_steps_and_pauses(tmp_path: Path) -> None:
    """A stage without a ramp is a step, and one without a rate a pause."""
    scenario = read(
        tmp_path,
        "  - {rate: 10/s, ramp: 5s, hold: 10s, max_users: 3}\n"
        "  - {rate: 0/s, hold: 2s, max_users: 3}\n"
        "  - {rate: 20/s, hold: 10s, max_users: 9}\n",
    )
    assert ramps_s(scenario.load) == [5, 0, 0]
    assert scenario.max_users == 9
    assert [stage.has_load for stage in scenario.load] == [True, False, True]


def test_the_peak_of_a_stage_is_that_of_its_sine_or_of_a_spike() -> None:
    """A spike's rate stands in place of the rate and its sine."""
    assert PLAIN.peak_per_s == 500
    assert replace(PLAIN, sine=Sine(100, 10)).peak_per_s == 600
    assert replace(PLAIN, sine=Sine(100, 10), spikes=(Spike(550, 1, 1), Spike(0, 3, 1))).peak_per_s == 600
    assert replace(PLAIN, spikes=(Spike(2000, 1, 1),)).peak_per_s == 2000


NEED = "required, but not given: the most users that may be busy at a time, so rate × latency or more: for 500/s and answers within 0.1s, 50"
UNIT = "write a number and one of /s, /min, /m, /h, e.g. 600/s"


@pytest.mark.parametrize(
    ("stages", "line", "says"),
    [
        (["rate: 0/s, hold: 1m, max_users: 5"], 3, "load: nothing to measure: at least one stage needs a rate above 0/s and a hold above 0s"),
        (["rate: 5/s, ramp: 1m, hold: 0s, max_users: 5"], 3, "load: nothing to measure: at least one stage needs a rate above 0/s and a hold above 0s"),
        (["rate: -5/s, hold: 1m, max_users: 5"], 4, "load[0].rate: '-5/s' is negative: a rate can't be"),
        (["rate: 1000000000/s, hold: 1m, max_users: 5"], 4, "load[0].rate: '1000000000/s' is more than a rate of arrivals may be (10000000/s)"),
        (["rate: 500, hold: 1m, max_users: 5"], 4, "load[0].rate: 500 has no unit: say the unit, e.g. 600/s; did you mean 500/s?"),
        (["rate: 500 rps, hold: 1m, max_users: 5"], 4, f"load[0].rate: '500 rps' is not a rate: {UNIT}; did you mean 500/s?"),
        (["rate: 50/1s, hold: 1m, max_users: 5"], 4, f"load[0].rate: '50/1s' is not a rate: {UNIT}; did you mean 50/s?"),
        (["rate: 5k/s, hold: 1m, max_users: 5"], 4, f"load[0].rate: '5k/s' is not a rate: {UNIT}; did you mean 5000/s?"),
        (["rate: 90 requests per minute, hold: 1m, max_users: 5"], 4, f"load[0].rate: '90 requests per minute' is not a rate: {UNIT}; did you mean 90/min?"),
        (["rate: fast, hold: 1m, max_users: 5"], 4, f"load[0].rate: 'fast' is not a rate: {UNIT}"),
        (["rate: 5/s, hold: 1m"], 4, f"load[0].max_users: {NEED}"),
        (["rate: 5/s, hold: 1m, max_users: 0"], 4, "load[0].max_users: must be at least 1, not 0"),
        (["hold: 1m, max_users: 5"], 4, "load[0].rate: required, but not given"),
        (["rate: 5/s, hold: 1s, max_users: 5"], 3, "load: too short to be judged: a hold of arrivals needs at least 4.3s with samples every 1s; the longest is 1s"),
        (["rate: 5/s, ramp: 30d, hold: 1m, max_users: 5"] * 2, 3, "load: the ramps take 60 days, more than the 31 that a run may"),
        (["rate: 5/s, ramp: 32d, hold: 1m, max_users: 5"], 4, "load[0].ramp: '32d' is more than a duration may be (31d)"),
        (["rate: 5/s, hold: 1m, max_users: 5, arrivals: poison"], 4, "load[0].arrivals: 'poison' is neither even nor poisson; did you mean 'poisson'?"),
        (["rate: 5/s, hold: 1m, max_users: 5, users: 5"], 4, "load[0].users: is of the closed model, and this stage has a rate: leave it out; max_users bounds how many are busy"),
        (["users: 5, spawn_rate: 1, hold: 1m, max_users: 5"], 4, "load[0].max_users: is of the open model, and this stage has users: leave it out, or give a rate in place of users and spawn_rate"),
        (["rate: 5/s, hold: 1m, max_users: 5", "users: 5, spawn_rate: 1, hold: 1m"], 5, "load[1]: has users, and load[0] has a rate: a load is of one model, closed (users) or open (a rate); make two scenarios of it"),
        (["users: 5, spawn_rate: 1, hold: 1m", "rate: 5/s, hold: 1m, max_users: 5"], 5, "load[1]: has a rate, and load[0] has users: a load is of one model, closed (users) or open (a rate); make two scenarios of it"),
        (["rate: 5/s, hold: 1m, maxVUs: 5, max_users: 5"], 4, "load[0].maxVUs: unknown key; did you mean 'max_users'? (known: rate, ramp, hold, max_users, arrivals, sine, spike)"),
        (["rate: 5/s, hold: 1m, max_users: 5, ramp_up: 5s"], 4, "load[0].ramp_up: unknown key; did you mean 'ramp'? (known: rate, ramp, hold, max_users, arrivals, sine, spike)"),
        (["rate: 5/s, hold: 1m, max_users: 5, sine: {amplitude: 6/s, period: 9s}"], 4, "load[0].sine.amplitude: 6/s is more than the rate, 5/s, which would become negative"),
        (["rate: 5/s, hold: 1m, max_users: 5, sine: {amplitude: 0/s, period: 9s}"], 4, "load[0].sine.amplitude: '0/s' must be more than 0/s"),
        (["rate: 5/s, hold: 1m, max_users: 5, sine: {amplitude: 5/s, period: 10ms}"], 4, "load[0].sine.period: '10ms' is not from 0.1s to 744h"),
        (["rate: 5/s, hold: 1m, max_users: 5, sine: 5/s"], 4, "load[0].sine: must be a mapping of keys to values, not '5/s'"),
        (["rate: 5/s, hold: 1m, max_users: 5, spike: {rate: 9/s, at: 50s, for: 20s}"], 4, "load[0].spike: ends 1m10s after the hold's start, and the hold is 1m"),
        (["rate: 5/s, hold: 1m, max_users: 5, spike: {rate: 9/s, at: 5s, for: 0s}"], 4, "load[0].spike.for: '0s' is not from 0.001s to 744h"),
        (["rate: 5/s, hold: 1m, max_users: 5, spike: {rate: 9/s, at: 5s, for: 1s, rat: 3/s}"], 4, "load[0].spike.rat: unknown key; did you mean 'rate'? (known: rate, at, for)"),
        (["rate: 5/s, hold: 1m, max_users: 5, spike: [{rate: 9/s, at: 5s, for: 20s}, {rate: 7/s, at: 10s, for: 5s}]"], 4, "load[0].spike[1]: begins at 10s, before spike[0] has ended at 25s: they can't overlap"),
        (["rate: 5/s, hold: 1m, max_users: 5, spike: [" + "{rate: 9/s, at: 5s, for: 1s}, " * 101 + "]"], 4, "load[0].spike: holds 101 entries: 100 are the most"),
    ],
)  # fmt: skip
def test_a_load_that_can_not_be_is_refused_with_its_line_and_what_to_write(
    tmp_path: Path, stages: list[str], line: int, says: str
) -> None:
    """One fault is one line: file, line, place, and what is wrong with it."""
    with pytest.raises(InputError) as caught:
        read(tmp_path, "".join(f"  - {{{stage}}}\n" for stage in stages))
    assert caught.value.message == f"{tmp_path / 'case.yml'}:{line}: {says}"


@pytest.mark.parametrize(
    ("load", "places"),
    [
        ("  - {constantUsersPerSec: 5, during: 1m}\n", ["constantUsersPerSec: unknown key; did you mean 'rate'?", "during: unknown key; did you mean 'hold'?", "hold: required", f"max_users: {NEED}", "rate: required"]),
        ("  - {rps: 5, hold: 1m, max_users: 5}\n", ["rate: required", "rps: unknown key; did you mean 'rate'?"]),
        ("  - {arrival_rate: 5/s, hold: 1m, max_users: 5}\n", ["arrival_rate: unknown key; did you mean 'rate'?", "rate: required"]),
        ("  - {rate: 5/s, hold: 1m, max_users: 5, spike: {rate: 9/s, at: 5s, duration: 5s}}\n", ["spike.duration: unknown key; did you mean 'for'?", "spike.for: required"]),
        ("  - {vus: 5, duration: 1m}\n", ["duration: unknown key; did you mean 'hold'?", "hold: required", "spawn_rate: required", "users: required, but not given: how many users run; or, for arrivals, give a rate and max_users in place of users and spawn_rate", "vus: unknown key; did you mean 'users'?"]),
    ],
)  # fmt: skip
def test_words_of_other_tools_lead_to_the_words_here(tmp_path: Path, load: str, places: list[str]) -> None:
    """A stage in the words of k6, Gatling or wrk2 is taken to be of the model that these words mean, and each is told its word here."""
    with pytest.raises(InputError) as caught:
        read(tmp_path, load)
    told = [
        row.strip().removeprefix(f"{tmp_path / 'case.yml'}:4: load[0].")
        for row in caught.value.message.splitlines()[1:]
    ]
    assert len(told) == len(places)
    for said, expected in zip(told, places, strict=True):
        assert said.startswith(expected)


def test_a_load_that_is_no_list_is_told_how_to_become_one(tmp_path: Path) -> None:
    """A single stage without its dash is the commonest slip of YAML here."""
    with pytest.raises(InputError) as caught:
        read(tmp_path, "  {rate: 5/s, hold: 1m, max_users: 5}\n")
    assert caught.value.message.endswith("load: must be a list, not a mapping: begin each stage with '- '")


def test_a_rule_of_the_open_model_in_a_closed_scenario_is_one_fault(tmp_path: Path) -> None:
    """That such a load offers no arrivals follows, and is not told besides."""
    with pytest.raises(InputError) as caught:
        read(tmp_path, '  - {users: 5, spawn_rate: 5, hold: 1m}\nthresholds: ["arrival_rate > 3/s"]\n')
    assert "arrival_rate is of the open model" in caught.value.message
    assert "can't hold" not in caught.value.message


def test_all_faults_of_a_load_are_in_one_message(tmp_path: Path) -> None:
    """Faults between the keys of a stage are told also where other stages, and other parts of the file, are wrong."""
    with pytest.raises(InputError) as caught:
        read(
            tmp_path,
            "  - rate: 5/s\n    hold: 1m\n    max_users: 5\n    sine: {amplitude: 9/s, period: 5s}\n"
            "    spike:\n      - {rate: 9/s, at: 1m, for: 1s}\n      - {rate: 9/s, at: 5s, for: 9s}\n"
            "      - {rate: 9/s, at: 9s, for: 9s}\n"
            "  - {users: 5, spawn_rate: 1, hold: 1m}\n  - {rate: 5/s, max_users: 5}\nseed: -1\n",
        )
    lines = caught.value.message.splitlines()[1:]
    assert [row.strip().removeprefix(f"{tmp_path / 'case.yml'}:").partition(": ")[:1] for row in lines]
    places = [row.strip().removeprefix(f"{tmp_path / 'case.yml'}:").split(": ")[:2] for row in lines]
    assert places == [
        ["7", "load[0].sine.amplitude"],
        ["9", "load[0].spike[0]"],
        ["11", "load[0].spike[2]"],
        ["12", "load[1]"],
        ["13", "load[2].hold"],
        ["14", "seed"],
    ]


def test_the_documentation_shows_a_scenario_that_can_be_read(tmp_path: Path) -> None:
    """The stages, rules and limits of the page on load models, put together."""
    page = (Path(__file__).parents[3] / "docs" / "performance" / "load-models.md").read_text(encoding="utf-8")
    parts = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    file = tmp_path / "page.yml"
    file.write_text(HEAD + "".join(parts), encoding="utf-8")
    scenario = load_scenario(file, ("ApiUser",))
    assert len(scenario.open_stages) == 5
    assert "missed < 1 % (default)" not in [rule.text for rule in scenario.thresholds]


@pytest.mark.parametrize(
    ("users", "says"),
    [
        ('{ApiUser: 1, Canary: "= 6"}', "users: the fixed counts add up to 6, more than max_users, 5"),
        ('{Canary: "= 4"}', "users: the fixed counts add up to 4, so 5 users are never reached: give a class a weight"),
    ],
)
def test_users_that_max_users_can_not_hold_are_refused(tmp_path: Path, users: str, says: str) -> None:
    """Fixed counts and max_users have to agree, as they do with the users of the closed model."""
    with pytest.raises(InputError) as caught:
        read(tmp_path, "  - {rate: 5/s, hold: 1m, max_users: 5}\n", f"target: embedded\nusers: {users}\n")
    assert caught.value.message == f"{tmp_path / 'case.yml'}:2: {says}"


def test_users_that_would_make_no_request_are_refused(tmp_path: Path) -> None:
    """A class without a task is refused at the line where the scenario names it, together with the file's other faults."""
    file = tmp_path / "case.yml"
    file.write_text("target: embedded\nusers:\n  ApiUser: 1\n  Idle: 1\nload: []\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_scenario(file, ("ApiUser", "Idle"), unfit_users=UnfitUsers(without_tasks=("Idle",)))
    no_task = "has no task, so its users would make no request: give the class one (@task), or leave it out"
    assert caught.value.message.splitlines()[1:] == [
        f"  {file}:4: users.Idle: {no_task}",
        f"  {file}:5: load: nothing to measure: at least one stage needs users above 0 and a hold above 0s",
    ]


def test_users_that_never_wait_are_refused_in_the_open_model_alone(tmp_path: Path) -> None:
    """A class with a run() of its own could start no arrival, and is a user like any other in the closed model."""
    unfit = UnfitUsers(with_own_loop=("ApiUser",))
    file = tmp_path / "case.yml"
    file.write_text(f"{HEAD}load: [{{rate: 5/s, hold: 9s, max_users: 5}}]\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_scenario(file, ("ApiUser",), unfit_users=unfit)
    assert caught.value.message == (
        f"{file}:2: users.ApiUser: has a run() of its own, so its users would not wait for arrivals: "
        "give the class tasks, or load users in place of a rate"
    )
    file.write_text(f"{HEAD}load: [{{users: 5, spawn_rate: 1, hold: 9s}}]\n", encoding="utf-8")
    assert load_scenario(file, ("ApiUser",), unfit_users=unfit).max_users == 5


def test_fewer_users_than_nodes_are_told_of() -> None:
    """With fewer users than nodes some have none, and so get no arrivals, which is said and not refused."""
    scenario = replace(opened(PLAIN), nodes=ExpectedNodes(51))
    (warning,) = load_warnings(Path("s.yml"), scenario)
    assert warning == (
        "s.yml: max_users is 50, and 51 nodes are expected: 1 of them has no user, and no arrivals. "
        "Give max_users of at least 51, or expect fewer nodes"
    )
    assert load_warnings(Path("s.yml"), replace(scenario, nodes=ExpectedNodes(50))) == []
    closed = replace(scenario, load=(Stage(5, 1, 60),), nodes=ExpectedNodes(50))
    assert load_warnings(Path("s.yml"), closed) == []


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"rate_per_s": 1000.0}, [(100, 0, 5), (1000, 4000, 50)]),
        ({"rate_per_s": 250.0}, [(25, 0, 5), (250, 1000, 50)]),
        ({"max_users": 10}, [(50, 0, 1), (500, 2000, 10)]),
        ({"max_users": 1}, [(50, 0, 1), (500, 2000, 1)]),
        ({"rate_per_s": 500.0, "max_users": 50}, [(50, 0, 5), (500, 2000, 50)]),
    ],
)
def test_rate_and_max_users_scale_every_stage(
    overrides: dict[str, Any], expected: list[tuple[float, float, int]]
) -> None:
    """The largest stage gets what was asked for, and the others, with spikes and sines, as much in proportion."""
    scenario = opened(
        replace(PLAIN, rate_per_s=50, max_users=5),
        replace(PLAIN, sine=Sine(100, 10), spikes=(Spike(2000, 20, 5),)),
    )
    changed = override(scenario, Overrides(**overrides)).open_stages
    assert [
        (stage.rate_per_s, sum(spike.rate_per_s for spike in stage.spikes), stage.max_users) for stage in changed
    ] == expected
    assert changed[1].sine == Sine(changed[1].rate_per_s / 5, 10)
    assert [stage.hold_s for stage in changed] == [60, 60]


def test_rate_scales_the_rules_on_it() -> None:
    """A rule on the rate of arrivals says how much of what is offered has to be reached, so that it goes with the offer."""
    rules = ["arrival_rate >= 495/s over 10s, abort", "rate > 400/s", "GET /x p95 < 1 s"]
    scenario = replace(opened(PLAIN), thresholds=tuple(map(parse_threshold, rules)))
    changed = override(scenario, Overrides(rate_per_s=100))
    assert [rule.text for rule in changed.thresholds] == [
        "arrival_rate >= 99/s over 10s, abort",
        "rate > 400/s",
        "GET /x p95 < 1 s",
    ]


@pytest.mark.parametrize(
    ("rule", "refused"),
    [
        ("arrival_rate > 600/s", False),
        ("arrival_rate >= 601/s", True),
        ("arrival_rate >= 601/s over 5s", True),
        ("arrival_rate < 601/s", False),
        ("rate > 601/s", False),
    ],
)
def test_a_rate_that_is_never_offered_can_not_be_asked_for(tmp_path: Path, rule: str, *, refused: bool) -> None:
    """A rule that no target could keep is a fault of the file; one task may make several requests, so not a rule on these."""
    load = "  - {rate: 500/s, hold: 1m, max_users: 50, sine: {amplitude: 100/s, period: 10s}}\nthresholds:\n"
    if not refused:
        assert read(tmp_path, f"{load}  - {rule}\n").thresholds[0].text == rule
        return
    with pytest.raises(InputError) as caught:
        read(tmp_path, f"{load}  - {rule}\n")
    says = f"thresholds[0]: {rule!r} can't hold: the load offers 600/s at most"
    assert caught.value.message == f"{tmp_path / 'case.yml'}:6: {says}"


def test_duration_stretches_the_holds_with_what_is_in_them() -> None:
    """A hold twice as long has a sine of twice the period, and spikes twice as long at twice the time; ramps stay."""
    stage = replace(PLAIN, ramp_s=30, sine=Sine(100, 10), spikes=(Spike(2000, 20, 5),))
    (changed,) = override(opened(stage), Overrides(duration_s=150)).load
    assert changed == replace(stage, hold_s=120, sine=Sine(100, 20), spikes=(Spike(2000, 40, 10),))


@pytest.mark.parametrize(
    ("stage", "overrides", "says"),
    [
        (PLAIN, Overrides(users=5), "--users 5: this scenario offers a rate of arrivals, whatever its users wait for"),
        (PLAIN, Overrides(rate_per_s=0), "--rate 0/s: must be above 0/s and at most 10000000/s"),
        (PLAIN, Overrides(rate_per_s=1e9), "--rate 1000000000/s: must be above 0/s and at most 10000000/s"),
        (PLAIN, Overrides(max_users=0), "--max-users 0: must be from 1 to 10000000"),
        (PLAIN, Overrides(max_users=2), "--max-users 2: the fixed counts add up to 3, more than max_users, 2"),
        (Stage(5, 1, 60), Overrides(rate_per_s=5), "--rate 5/s: this scenario is of the closed model: its load is users, who wait for their answers"),
        (Stage(5, 1, 60), Overrides(max_users=5), "--max-users 5: this scenario is of the closed model: its load is users, who wait for their answers"),
        (replace(PLAIN, ramp_s=30), Overrides(duration_s=30), "--duration 30s: the ramps alone take 30s"),
        (replace(PLAIN, ramp_s=30), Overrides(duration_s=31), "--duration 31s: too short to be judged: a hold of arrivals needs at least 4.3s with samples every 1s; the longest is 1s"),
        (replace(PLAIN, sine=Sine(5, 0.5)), Overrides(duration_s=6), "--duration 6s: the sine of a hold is stretched with it, and would be too short"),
        (replace(PLAIN, spikes=(Spike(5, 1, 0.001),)), Overrides(duration_s=30), "--duration 30s: the spike of a hold is stretched with it, and would be too short"),
        (replace(PLAIN, rate_per_s=0, spikes=(Spike(5, 1, 1),)), Overrides(rate_per_s=5), "--rate 5/s: no stage has a rate above 0/s that could be scaled, only spikes"),
        (replace(PLAIN, rate_per_s=1, spikes=(Spike(100, 1, 1),)), Overrides(rate_per_s=1e6), "--rate 1000000/s: a spike would be 100000000/s, more than 10000000/s"),
    ],
)  # fmt: skip
def test_an_option_that_can_not_be_is_refused_by_its_name_with_advice(
    stage: OpenStage | Stage, overrides: Overrides, says: str
) -> None:
    """Options of the other model are refused with those of the scenario's own."""
    users = {"ApiUser": UserShare(weight=1), "Canary": UserShare(fixed_count=3)}
    scenario = Scenario("s", "embedded", users, (stage,))
    with pytest.raises(InputError) as caught:
        override(scenario, overrides)
    assert caught.value.message == says
    assert caught.value.hint


rates = st.floats(1e-6, 1e6)


@st.composite
def open_stages(draw: st.DrawFn) -> OpenStage:
    """Any stage that a scenario file can hold."""
    hold_s = draw(st.floats(200, 100_000))
    rate_per_s = draw(st.just(0.0) | rates)
    sine = None
    if rate_per_s > 1e-6 and draw(st.booleans()):
        sine = Sine(draw(st.floats(1e-9, rate_per_s)), draw(st.floats(0.1, 1e5)))
    edges = sorted(draw(st.sets(st.floats(0, hold_s), max_size=6)))
    spikes = [
        Spike(draw(st.just(0.0) | rates), at_s, end_s - at_s)
        for at_s, end_s in zip(edges[::2], edges[1::2], strict=False)
        if end_s - at_s >= 0.001
    ]
    return OpenStage(
        rate_per_s,
        draw(st.integers(1, 10_000)),
        hold_s,
        draw(st.just(0.0) | st.floats(0, 100_000)),
        draw(st.booleans()),
        sine,
        tuple(draw(st.permutations(spikes))),
    )


@settings(max_examples=50, deadline=None)
@given(st.lists(open_stages(), min_size=1, max_size=4), st.none() | rates, st.none() | st.floats(300_000, 1_000_000))
def test_any_open_load_survives_writing_and_reading_also_when_it_was_changed(
    stages: list[OpenStage], rate_per_s: float | None, duration_s: float | None
) -> None:
    """What a run leaves as its scenario can be read by the one who resumes it, with the command line's changes in it."""
    assume(any(stage.has_load for stage in stages))
    scenario = replace(
        opened(*stages), thresholds=with_defaults([parse_threshold("missed < 5 %, abort")], open_model=True)
    )
    assert not [fault for stage in stages for fault in find_curve_faults(stage)]
    assume(not find_ramp_fault(stages) and not find_hold_fault(stages, 1))
    if any(stage.rate_per_s for stage in stages):
        try:
            scenario = override(scenario, Overrides(rate_per_s=rate_per_s, duration_s=duration_s))
        except InputError:
            assume(False)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "scenario.yml"
        file.write_text(scenario.to_yaml(), encoding="utf-8")
        assert load_scenario(file, scenario.users) == scenario
