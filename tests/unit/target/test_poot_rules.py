"""PoOT's rules: scores, what a record may say, and how a reward is divided."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.target.poot.payout import split_reward
from master.target.poot.records import MAX_DURATION_MS, MAX_UNITS_PER_S, WorkRecord, find_fault
from master.target.poot.scores import HOUR_MS, PPM, PRIOR_UNITS, Trust, add_work, recent_units, score_ppm, trust_at

NOW_MS = 1_800_000_000_000
HOUR = NOW_MS // HOUR_MS
WORK = st.tuples(st.integers(1, 1_000_000), st.integers(0, PPM), st.integers(0, 100))


def trust_of(*work: tuple[int, int, int]) -> Trust:
    """Records of (units, quality, hours ago)."""
    trust = Trust()
    for units, quality, hours_ago in work:
        trust = add_work(trust, units, quality, NOW_MS - hours_ago * HOUR_MS, HOUR)
    return trust


def score_by_formula(*work: tuple[int, int, int]) -> float:
    """The formula as the module writes it, in floating point."""
    faded = [(units * 2 ** (-hours_ago / 24), quality) for units, quality, hours_ago in work]
    return sum(units * quality for units, quality in faded) / (PRIOR_UNITS + sum(units for units, _ in faded))


@given(st.lists(WORK, max_size=20))
def test_the_score_in_integers_is_that_of_the_formula(work: list[tuple[int, int, int]]) -> None:
    """Each record is rounded to 1/1024 of a unit, beside the 100 with which a node began."""
    score = score_ppm(trust_of(*work), HOUR)
    assert 0 <= score < PPM
    assert math.isclose(score, score_by_formula(*work), abs_tol=3 + 10 * len(work), rel_tol=0)


def test_trust_needs_work_as_well_as_quality() -> None:
    assert score_ppm(Trust(), HOUR) == 0
    assert score_ppm(trust_of((100, PPM, 0)), HOUR) == PPM // 2
    assert score_ppm(trust_of((900, PPM, 0)), HOUR) == 9 * PPM // 10
    assert score_ppm(trust_of((900, PPM // 2, 0)), HOUR) == 9 * PPM // 20
    assert score_ppm(trust_of((10**6, 0, 0)), HOUR) == 0


def test_work_of_a_day_ago_counts_half_and_trust_fades() -> None:
    trust = trust_of((200, PPM, 0))
    assert recent_units(trust, HOUR + 24) == 100
    assert score_ppm(trust, HOUR + 24) == PPM // 2
    assert score_ppm(trust, HOUR + 24 * 365) == 0


@given(st.lists(WORK, min_size=2, max_size=12))
def test_the_order_in_which_records_come_changes_nothing(work: list[tuple[int, int, int]]) -> None:
    assert trust_of(*work) == trust_of(*reversed(work))


@given(WORK, st.integers(0, 500))
def test_a_score_looked_at_in_between_is_the_same_later(work: tuple[int, int, int], hours: int) -> None:
    """Up to what is rounded each time."""
    trust = trust_of(work)
    looked_at = trust_at(trust, HOUR + hours)
    assert abs(score_ppm(looked_at, HOUR + 2 * hours) - score_ppm(trust, HOUR + 2 * hours)) <= PPM // 1000


def test_the_sums_fit_a_databases_integers_whatever_a_node_reports() -> None:
    """All five kinds at the highest rate for a month, by records of a day."""
    trust = Trust()
    for day in range(30):
        for _ in range(5):
            hour = HOUR + 24 * day
            trust = add_work(trust, MAX_UNITS_PER_S * MAX_DURATION_MS // 1000, PPM, hour * HOUR_MS, hour)
    assert trust.weighted < 2**60


def record(**changes: object) -> WorkRecord:
    fields = {
        "node": "pi-1",
        "kind": "relay",
        "units": 10,
        "quality_ppm": 900_000,
        "started_ms": NOW_MS - 60_000,
        "ended_ms": NOW_MS,
    }
    return WorkRecord(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, None),
        ({"ended_ms": NOW_MS + 5000}, None),
        ({"ended_ms": NOW_MS + 5001}, "future"),
        ({"ended_ms": NOW_MS - 60_000}, "ends after"),
        ({"ended_ms": NOW_MS - 70_000}, "ends after"),
        ({"started_ms": NOW_MS - 25 * HOUR_MS}, "24 h"),
        ({"started_ms": NOW_MS - 170 * HOUR_MS, "ended_ms": NOW_MS - 169 * HOUR_MS}, "7 days"),
        ({"units": 60_000}, None),
        ({"units": 60_001}, "1000 units a second"),
    ],
)
def test_a_record_that_can_not_be_right_is_refused_with_the_reason(
    changes: dict[str, object], fault: str | None
) -> None:
    found = find_fault(record(**changes), NOW_MS)
    assert found is None if fault is None else fault in (found or "")


def test_every_field_of_a_record_is_in_what_a_batch_hashes() -> None:
    changed = {"node": "pi-2", "kind": "uptime", "units": 11, "quality_ppm": 1, "started_ms": 1, "ended_ms": 2}
    assert len({record(**{name: value}).canonical() for name, value in changed.items()} | {record().canonical()}) == 7


SCORES = st.dictionaries(st.text("abc", min_size=1, max_size=4), st.integers(0, PPM), max_size=30)


@given(st.integers(0, 10**12), SCORES)
def test_payments_sum_up_to_the_reward_exactly(reward: int, scores: dict[str, int]) -> None:
    """Each is within one unit of its exact share, none is negative, and without a score nothing is paid."""
    paid = split_reward(reward, scores)
    total = sum(scores.values())
    assert sum(paid.values()) == (reward if total else 0)
    for node, amount in paid.items():
        assert scores[node] > 0
        assert amount >= 0
        assert (amount - 1) * total < reward * scores[node] < (amount + 1) * total


@given(st.integers(0, 10**12), SCORES)
def test_who_has_the_higher_score_is_never_paid_less(reward: int, scores: dict[str, int]) -> None:
    paid = split_reward(reward, scores)
    by_score = sorted(scores, key=lambda node: scores[node])
    amounts = [paid.get(node, 0) for node in by_score]
    assert all(
        amounts[at] <= amounts[at + 1] or scores[by_score[at]] == scores[by_score[at + 1]]
        for at in range(len(amounts) - 1)
    )


def test_what_is_left_over_goes_to_the_largest_remainders() -> None:
    assert split_reward(10, {"a": 1, "b": 1, "c": 1}) == {"a": 4, "b": 3, "c": 3}
    assert split_reward(10, {"a": 45, "b": 35, "c": 20}) == {"a": 5, "b": 3, "c": 2}
