"""How a run stands while it is on: what has no data yet is not broken, and what is broken is named."""

import pytest

from master.judge.generator.validity import ValidityOutcome
from master.judge.interim import interim_of
from master.judge.target.thresholds import ThresholdOutcome
from master.scenario import parse_threshold

HELD = ThresholdOutcome(parse_threshold("p95 < 50 ms"), 12.0, "12 ms", ok=True)
BROKEN = ThresholdOutcome(parse_threshold("errors < 1 %"), 0.05, "5 %", ok=False)
NOT_YET = ThresholdOutcome(
    parse_threshold("GET /rare p95 < 50 ms"), None, "no data", ok=False, message="GET /rare was never requested"
)
FIT = ValidityOutcome("node_cpu", "≤ 90 %", "40 %", 40.0, ok=True)
UNFIT = ValidityOutcome(
    "loop_lag_p99", "≤ 50 ms", "80 ms", 80.0, ok=False, message="loop_lag_p99 was 80 ms, above 50 ms"
)
NO_SENSOR = ValidityOutcome("throttling", "≤ 1 %", "unknown", None, ok=None)
NO_SAMPLE = ValidityOutcome("node_memory", "≤ 90 %", "no data", None, ok=False, message="no data")


@pytest.mark.parametrize(
    ("thresholds", "validity", "verdict", "reason"),
    [
        ([HELD], [FIT, NO_SENSOR], "PASS", ""),
        ([HELD, NOT_YET], [FIT, NO_SAMPLE], "PASS", ""),
        ([HELD, BROKEN], [FIT], "FAIL", "errors < 1 % (5 %)"),
        ([HELD, BROKEN], [FIT, UNFIT], "INVALID", "errors < 1 % (5 %); loop_lag_p99 (loop_lag_p99 was 80 ms, above 50 ms)"),
        ([HELD], [NO_SAMPLE], None, ""),
    ],
)  # fmt: skip
def test_only_what_was_observed_makes_the_verdict_so_far(
    thresholds: list[ThresholdOutcome], validity: list[ValidityOutcome], verdict: str | None, reason: str
) -> None:
    """The verdict so far rests on what was observed; a rule without data yet breaks nothing, and each broken one is named."""
    found = interim_of(30, 20, thresholds, validity)
    assert (found.verdict, found.reason) == (verdict, reason)
    assert [row.rule for row in found.thresholds] == [row.rule for row in thresholds]
    assert all(row.ok is None for row in [*found.thresholds, *found.validity] if row.observed is None)


def test_before_a_second_is_judged_there_is_no_verdict() -> None:
    """In the first ramp nothing is judged yet, whatever the generator's checks say."""
    assert interim_of(3, 0, [NOT_YET], [FIT]).verdict is None
