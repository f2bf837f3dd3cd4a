"""The generator is fit only when known to be fit; offenders are named; the verdict puts fitness before thresholds."""

import pytest

from master.errors import ExitCode
from master.judge.generator.validity import ValidityOutcome, check
from master.judge.reason import reason_for
from master.judge.seconds.fitness import FitnessLog
from master.judge.seconds.unfit import NodeCondition, unfit_reasons
from master.judge.target.thresholds import ThresholdOutcome
from master.judge.verdict import Verdict, decide
from master.scenario import ValidityLimits, parse_threshold
from worker.load.histogram import Histogram
from worker.telemetry.conditions import FREQUENCY_CAPPED, SOFT_LIMITED, THROTTLED, UNDER_VOLTAGE, UNKNOWN, pack_flags

LIMITS = ValidityLimits()
WELL = pack_flags(0)
NODES = [f"pi-{number:02}" for number in range(20)]


def lag(*values_ms: float) -> Histogram:
    histogram = Histogram()
    for value_ms in values_ms:
        histogram.add(value_ms)
    return histogram


def pi(cpu: float = 50, memory: float = 40, temperature_c: float | None = 60, conditions: int = WELL) -> NodeCondition:
    return NodeCondition(cpu, memory, temperature_c, conditions, is_pi=True)


def healthy(
    seconds: int = 20, without: str = "", busy: str = "", busy_percent: float = 99, busy_nodes: int = 0
) -> FitnessLog:
    """A log of 20 fit nodes, lacking one kind of data; on `busy_nodes` of them one kind of use is `busy_percent`."""
    log = FitnessLog()
    nan = float("nan")
    for number, node in enumerate(NODES):
        percent = {"worker_cpu": 60, "node_cpu": 50.04, "node_memory": 40} | {without: nan}
        if number < busy_nodes:
            percent[busy] = busy_percent
        for _ in range(seconds):
            if without != "loop_lag_p99":
                log.add_lag(node, lag(1, 2, 3), fit=True)
            if without != "worker_cpu":
                log.add_worker_cpu(node, percent["worker_cpu"])
            log.add_node(node, pi(percent["node_cpu"], percent["node_memory"]))
        if without != "clock_error":
            log.add_clock_error(node, 5.0)
        if without != "missing_samples":
            log.expect_samples(node, seconds, seconds)
    if without != "controller_cpu":
        log.add_controller(30)
    if without != "nodes":
        log.note_ready(20)
    if without != "excluded_share":
        log.add_requests(fit=1000, unfit=0)
    return log


def rows(log: FitnessLog, limits: ValidityLimits = LIMITS, least: int = 19) -> dict[str, ValidityOutcome]:
    return {row.check: row for row in check(limits, log, nodes_expected=20, nodes_min=least)}


def test_a_healthy_generator_passes_every_check_and_names_no_node() -> None:
    found = rows(healthy())
    assert list(found) == [
        "loop_lag_p99", "worker_cpu", "node_cpu", "node_memory", "node_temperature", "throttling", "under_voltage",
        "controller_cpu", "clock_error", "missing_samples", "nodes", "excluded_share",
    ]  # fmt: skip
    assert all(row.ok and not row.nodes and not row.message for row in found.values())
    assert (found["worker_cpu"].limit, found["worker_cpu"].observed) == ("≤ 90 %", "60 %")
    assert found["node_cpu"].observed_value == 50.1  # to a tenth, never below what was seen
    assert found["nodes"].limit == "≥ 19 of 20"
    assert found["loop_lag_p99"].observed_value == pytest.approx(3, rel=0.01)


SENSORS = ("node_temperature", "throttling", "under_voltage")


@pytest.mark.parametrize("name", [name for name in rows(healthy()) if name not in SENSORS])
def test_a_check_without_data_is_never_ok(name: str) -> None:
    found = rows(healthy(without=name))
    assert [row.check for row in found.values() if not row.ok] == [name]
    assert (found[name].observed, found[name].observed_value) == ("no data", None)
    assert found[name].message.startswith("no data: ")


@pytest.mark.parametrize("name", ["worker_cpu", "node_cpu", "node_memory"])
@pytest.mark.parametrize(("hot", "ok"), [(1, True), (2, False)])
def test_one_hot_node_in_twenty_is_named_and_two_make_the_run_invalid(name: str, hot: int, ok: bool) -> None:
    row = rows(healthy(busy=name, busy_nodes=hot))[name]
    assert row.ok is ok
    assert row.nodes == tuple(NODES[:hot])
    assert bool(row.message) is not ok


def test_a_value_on_the_limit_is_within_it_and_a_tenth_above_is_not() -> None:
    for percent, ok in ((90.0, True), (90.1, False), (250.0, False)):
        log = healthy(seconds=1, busy="worker_cpu", busy_percent=percent, busy_nodes=20)
        assert rows(log)["worker_cpu"].ok is ok


def test_without_looking_at_each_node_the_figures_are_the_same_and_no_node_is_named() -> None:
    """What is said of the fleet while a run is on is what is said at its end, without the names."""
    log = healthy(busy="node_cpu", busy_nodes=1)
    log.add_lag(NODES[3], lag(200), fit=False)
    named, unnamed = (check(LIMITS, log, 20, 19, name_nodes=names) for names in (True, False))
    assert [row.observed_value for row in named] == [row.observed_value for row in unnamed]
    assert [row.nodes for row in named if row.check == "node_cpu"] == [(NODES[0],)]
    assert not any(row.nodes for row in unnamed)


def test_loop_lag_is_pooled_over_the_fleet_and_judged_by_node_too() -> None:
    log = healthy()
    log.add_lag("pi-03", lag(*[200] * 5), fit=True)
    row = rows(log)["loop_lag_p99"]
    assert row.ok
    assert row.nodes == ("pi-03",)
    log.add_lag("pi-07", lag(*[80] * 50), fit=True)
    row = rows(log)["loop_lag_p99"]
    assert (row.ok, row.nodes) == (False, ("pi-03", "pi-07"))
    assert row.message.startswith("loop_lag_p99 was ")


def test_one_clock_that_is_not_known_well_enough_makes_the_run_invalid() -> None:
    """One clock with too large an error makes the run INVALID, since its requests may count for another second."""
    log = healthy()
    log.add_clock_error(NODES[3], 251.0)
    log.add_clock_error(NODES[3], 2.0)
    row = rows(log)["clock_error"]
    assert (row.ok, row.observed, row.nodes) == (False, "251 ms", (NODES[3],))
    assert rows(log, ValidityLimits(clock_error_ms=251))["clock_error"].ok


def test_missing_samples_are_a_share_of_the_fleet_and_extra_ones_make_up_for_nothing() -> None:
    log = healthy()
    log.expect_samples("pi-00", 40, 20)
    log.expect_samples("pi-01", 20, 40)
    row = rows(log)["missing_samples"]
    assert (row.ok, row.nodes) == (True, ("pi-00",))
    assert row.observed_value == pytest.approx(100 * 20 / 460)
    assert not rows(log, ValidityLimits(missing_samples_percent=4))["missing_samples"].ok


def test_nodes_counts_the_fewest_at_one_time_and_names_the_lost() -> None:
    log = healthy()
    log.note_lost("pi-09")
    log.note_lost("pi-02")
    log.note_ready(19)
    log.note_ready(20)
    row = rows(log)["nodes"]
    assert (row.ok, row.observed, row.nodes) == (True, "19", ("pi-02", "pi-09"))
    log.note_ready(18)
    row = rows(log)["nodes"]
    assert not row.ok
    assert row.message == "only 18 of 20 nodes were ready at one time, fewer than 19"


def test_the_controller_may_peak_but_not_stay_high() -> None:
    log = healthy()
    for _ in range(98):
        log.add_controller(50)
    log.add_controller(100)
    assert rows(log)["controller_cpu"].ok
    for _ in range(20):
        log.add_controller(99)
    assert not rows(log)["controller_cpu"].ok


def test_excluded_share_is_of_all_steady_requests_and_rounding_never_hides_a_break() -> None:
    log = FitnessLog()
    log.add_requests(fit=95_000_000, unfit=5_000_000)
    assert rows(log)["excluded_share"].ok
    log.add_requests(fit=0, unfit=1)
    row = rows(log)["excluded_share"]
    assert not row.ok
    assert row.observed != "5 %"


def test_the_log_is_bounded_however_long_the_run() -> None:
    log = FitnessLog()
    for tick in range(5000):
        log.add_node("pi", pi(tick % 1500 / 10 - 20, tick / 50))
    assert len(log.node_cpu["pi"].bins) <= 1001


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((10, 50, 5), []),
        ((50, 90, 250), []),
        ((51, 50, 5), ["loop lag 51 ms above 50 ms"]),
        ((10, 95, 300), ["worker CPU 95 % above 90 %", "clock error 300 ms above 250 ms"]),
        ((None, None, None), ["loop lag unknown", "worker CPU unknown", "clock error unknown"]),
        ((float("nan"), 50, 5), ["loop lag unknown"]),
        ((10, 90.00001, 5), ["worker CPU 90.00001 % above 90 %"]),
    ],
)
def test_a_second_is_unfit_for_each_limit_its_worker_breaks_or_may_have_broken(
    values: tuple[float | None, ...], expected: list[str]
) -> None:
    lag_max_ms, worker_cpu, clock_error_ms = values
    reasons = unfit_reasons(
        LIMITS, lag_max_ms=lag_max_ms, worker_cpu_percent=worker_cpu, clock_error_ms=clock_error_ms, node=pi()
    )
    assert reasons == expected


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (pi(), []),
        (None, ["no sample of the node"]),
        (pi(91, 99), ["node CPU 91 % above 90 %", "node memory 99 % above 90 %"]),
        (pi(temperature_c=80), []),
        (pi(temperature_c=80.5), ["temperature 80.5 °C above 80 °C"]),
        (pi(conditions=pack_flags(THROTTLED)), ["throttled"]),
        (pi(conditions=pack_flags(THROTTLED | FREQUENCY_CAPPED | UNDER_VOLTAGE)), ["throttled", "under-voltage"]),
        (pi(conditions=pack_flags(FREQUENCY_CAPPED)), ["frequency capped"]),
        (pi(conditions=pack_flags(SOFT_LIMITED)), []),
        (pi(conditions=pack_flags(0, UNDER_VOLTAGE)), ["throttling unknown"]),
        (pi(temperature_c=None, conditions=UNKNOWN), ["throttling unknown"]),
        (pi(conditions=pack_flags(0, THROTTLED)), []),  # a Zero says nothing of its supply
        (NodeCondition(50, 40), []),  # no Raspberry Pi
    ],
)
def test_a_second_is_unfit_for_what_holds_its_node_back_or_may_have(
    node: NodeCondition | None, expected: list[str]
) -> None:
    """A second is unfit if its node was throttled, or if that is unknown where it could be known."""
    assert unfit_reasons(LIMITS, lag_max_ms=1, worker_cpu_percent=1, clock_error_ms=1, node=node) == expected


def test_a_pi_that_can_not_tell_is_fit_only_where_the_scenario_allows_it() -> None:
    """A Pi that can't report throttling is fit only where the scenario allows it, and unknown all the same."""
    allowed = ValidityLimits(throttling_may_be_unknown=True)
    mute = pi(conditions=UNKNOWN)
    assert unfit_reasons(allowed, lag_max_ms=1, worker_cpu_percent=1, clock_error_ms=1, node=mute) == []
    log = FitnessLog()
    for _ in range(20):
        log.add_node("pi-00", mute)
    demanded, free = rows(log)["throttling"], rows(log, allowed)["throttling"]
    assert (demanded.ok, demanded.nodes, demanded.observed) == (False, ("pi-00",), "100 %")
    assert "unknown whether a Pi was" in demanded.message
    assert (free.ok, free.observed) == (None, "unknown")


def test_what_no_node_has_a_sensor_for_is_unknown_and_neither_fit_nor_unfit() -> None:
    """In a fleet of ordinary machines, of which none has a sensor for throttling, the check is unknown, neither fit nor unfit."""
    log = FitnessLog()
    log.add_node("server", NodeCondition(50, 40))
    found = rows(log)
    assert {name: (found[name].ok, found[name].observed) for name in SENSORS} == dict.fromkeys(
        SENSORS, (None, "unknown")
    )


@pytest.mark.parametrize(("bad", "ok"), [(1, True), (2, False)])
@pytest.mark.parametrize(
    ("name", "condition"),
    [
        ("throttling", pi(conditions=pack_flags(THROTTLED))),
        ("under_voltage", pi(conditions=pack_flags(UNDER_VOLTAGE))),
        ("node_temperature", pi(temperature_c=84)),
    ],
)
def test_a_held_back_node_in_twenty_is_named_and_two_make_the_run_invalid(
    name: str, condition: NodeCondition, bad: int, ok: bool
) -> None:
    log = FitnessLog()
    for number, node in enumerate(NODES):
        for _ in range(20):
            log.add_node(node, condition if number < bad else pi())
    row = rows(log)[name]
    assert (row.ok, row.nodes) == (ok, tuple(NODES[:bad]))
    assert bool(row.message) is not ok


RULE = parse_threshold("errors = 0")
KEPT, BROKEN = ThresholdOutcome(RULE, 1, "1", ok=True), ThresholdOutcome(RULE, 1, "1", ok=False)
SLOW = ThresholdOutcome(parse_threshold("p95 < 1 ms"), 1, "1", ok=False)
WITHOUT_DATA, UNSURE = ThresholdOutcome(RULE, None, "no data", ok=False), ThresholdOutcome(RULE, None, "", ok=None)
DOUBTFUL = ValidityOutcome("c", "", "", 1, ok=False, yields_to_fail=True)
FAULT = ValidityOutcome("c", "", "", None, ok=None, fault=True)
DOUBTFUL_BY_FAULT = ValidityOutcome("c", "", "", None, ok=None, yields_to_fail=True, fault=True)
UNKNOWABLE = ValidityOutcome("c", "", "", None, ok=None)
FIT, UNFIT = ValidityOutcome("c", "", "", 1, ok=True), ValidityOutcome("c", "", "", 1, ok=False)


@pytest.mark.parametrize(
    ("thresholds", "validity", "aborted", "expected"),
    [
        pytest.param([KEPT], [FIT], None, Verdict.PASS, id="all well"),
        pytest.param([], [FIT], None, Verdict.PASS, id="no thresholds"),
        pytest.param([KEPT, BROKEN], [FIT], None, Verdict.FAIL, id="a broken threshold"),
        pytest.param([KEPT], [FIT, UNFIT], None, Verdict.INVALID, id="an unfit generator"),
        pytest.param([BROKEN], [UNFIT], None, Verdict.INVALID, id="unfit comes before broken"),
        pytest.param([KEPT], [], None, Verdict.INVALID, id="nothing checked"),
        pytest.param([KEPT], [FIT, UNKNOWABLE], None, Verdict.PASS, id="what nobody can know"),
        pytest.param([KEPT], [UNKNOWABLE], None, Verdict.INVALID, id="nothing known"),
        pytest.param([BROKEN], [UNFIT], "fleet lost", Verdict.ABORTED, id="aborted comes first"),
        pytest.param([KEPT], [FIT, DOUBTFUL], None, Verdict.INVALID, id="latencies worth nothing"),
        pytest.param([SLOW], [FIT, DOUBTFUL], None, Verdict.INVALID, id="broken by those latencies alone"),
        pytest.param([SLOW, BROKEN], [FIT, DOUBTFUL], None, Verdict.FAIL, id="failures, whatever latencies are worth"),
        pytest.param([BROKEN], [UNFIT, DOUBTFUL], None, Verdict.INVALID, id="failures of an unfit generator"),
        pytest.param([WITHOUT_DATA], [FIT, DOUBTFUL], None, Verdict.INVALID, id="nothing seen to break"),
        pytest.param([WITHOUT_DATA], [FIT], None, Verdict.FAIL, id="a threshold without data"),
        pytest.param([KEPT], [FIT, FAULT], None, Verdict.INVALID, id="a check that is unknown by our own fault"),
        pytest.param([BROKEN], [FIT, FAULT], None, Verdict.INVALID, id="that comes before broken too"),
        pytest.param([BROKEN], [FIT, DOUBTFUL_BY_FAULT], None, Verdict.FAIL, id="unless it is of latencies alone"),
        pytest.param([KEPT, UNSURE], [FIT], None, Verdict.INVALID, id="a threshold nobody knows of"),
        pytest.param([SLOW, UNSURE], [FIT], None, Verdict.FAIL, id="broken beside one nobody knows of"),
    ],
)
def test_the_verdict_is_the_gravest_thing_that_happened(
    thresholds: list[ThresholdOutcome], validity: list[ValidityOutcome], aborted: str | None, expected: Verdict
) -> None:
    assert decide(thresholds, validity, aborted) is expected


def test_each_verdict_has_its_exit_code() -> None:
    assert [verdict.exit_code for verdict in Verdict] == [
        ExitCode.PASS, ExitCode.FAIL, ExitCode.INVALID, ExitCode.ABORTED,
    ]  # fmt: skip
    assert f"{Verdict.INVALID}" == "INVALID"


def test_one_cause_of_several_checks_is_said_once() -> None:
    """Checks that have no data for the same cause are named together, so that the reason is said once; others have their own."""
    cause = "no data: the load was never held for a whole second"
    rows = [
        ValidityOutcome("loop_lag_p99", "≤ 50 ms", "no data", None, ok=False, message=f"loop_lag_p99: {cause}"),
        ValidityOutcome("local_errors", "≤ 0", "3", 3, ok=False, message="3 requests failed for want of ports"),
        ValidityOutcome("nodes", "≥ 2 of 2", "no data", None, ok=False, message=f"nodes: {cause}"),
    ]
    assert reason_for(Verdict.INVALID, [], rows, None) == (
        f"The generator was not fit to measure: loop_lag_p99, nodes: {cause}; 3 requests failed for want of ports"
    )
