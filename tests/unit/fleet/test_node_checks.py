"""What a node reports of itself is checked against what a node can be."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from msgspec.structs import replace
from report_example import FACTS, reading

from master.fleet.node_checks import (
    IMPOSSIBLE_FACTS,
    MAX_CORES,
    MAX_TEXT,
    OTHER_KIND,
    check_reading,
    credible_facts,
)
from master.fleet.refusals import NOT_CREDIBLE, Refusals, refusal_warnings
from worker.wire.messages import Facts, Reading

REAL = replace(FACTS, simulated=False)


def doubts_of(facts: Facts, *, simulated: bool | None = None) -> list[str]:
    return [doubt.reason for doubt in credible_facts(facts, simulated=simulated)[1]]


@pytest.mark.parametrize("facts", [FACTS, REAL, replace(REAL, model="x86_64", cpu_count=64, memory_bytes=1 << 40)])
def test_what_a_node_can_be_is_believed(facts: Facts) -> None:
    assert credible_facts(facts, simulated=None) == (facts, [])
    assert credible_facts(facts, simulated=facts.simulated) == (facts, [])


def test_a_machine_that_is_faster_than_any_pi_counts_as_the_largest_of_them_and_is_no_liar() -> None:
    """A node faster than any Pi, such as a server whose core equals 27 of a Pi 4, counts as the largest one and is no liar."""
    facts, doubts = credible_facts(replace(REAL, model="x86_64", cpu_count=2, capacity=54.0), simulated=False)
    assert (facts.capacity, doubts) == (8.0, [])


@pytest.mark.parametrize(
    ("changes", "believed"),
    [
        pytest.param({"capacity": 1e6}, {"capacity": 4.0}, id="carries more than its board"),
        pytest.param({"capacity": 1e6, "model": "other"}, {"capacity": 8.0, "model": "other"}, id="than any board"),
        pytest.param({"cpu_count": 1 << 53}, {"cpu_count": MAX_CORES}, id="has more cores than there are"),
        pytest.param({"memory_bytes": 1 << 40}, {"memory_bytes": 16 << 30}, id="has more memory than a board can have"),
    ],
)
def test_what_no_node_can_be_counts_as_the_most_that_one_can(changes: dict[str, Any], believed: dict[str, Any]) -> None:
    facts, doubts = credible_facts(replace(REAL, **changes), simulated=False)
    assert facts == replace(REAL, **believed)
    assert [doubt.reason for doubt in doubts] == [IMPOSSIBLE_FACTS]


def test_a_node_that_says_it_is_what_the_run_has_none_of_is_named() -> None:
    """A node that claims to be real in a simulated run, or simulated in a real one, is named and counts as simulated."""
    assert doubts_of(FACTS, simulated=False) == doubts_of(REAL, simulated=True) == [OTHER_KIND]
    assert credible_facts(FACTS, simulated=False)[0].simulated
    assert credible_facts(REAL, simulated=True)[0].simulated


def test_facts_are_shown_as_what_they_are() -> None:
    """Facts are shown without control characters that a terminal obeys or a reader can't see, and cut to a maximum length."""
    facts, doubts = credible_facts(replace(REAL, os="a\x1b]0;x\a\u202e", kernel="k" * 1000), simulated=False)
    assert facts.os == r"a\x1b]0;x\x07\u202e"
    assert facts.kernel == "k" * MAX_TEXT
    assert not doubts


@pytest.mark.parametrize(
    ("read", "real", "simulated"),
    [
        pytest.param(reading(), None, None, id="an ordinary one"),
        pytest.param(reading(cpu_percent=100.4), None, None, id="rounded"),
        pytest.param(reading(cpu_percent=1e6), "1000000 % of its CPU", "1000000 % of its CPU", id="too busy"),
        pytest.param(
            replace(reading(), memory_used_bytes=1 << 53),
            "8589934592 MiB of its 4096 MiB of memory used",
            None,
            id="more memory used than there is",
        ),
        pytest.param(
            replace(reading(), memory_percent=200.0),
            "1024 MiB of its 4096 MiB of memory used",
            None,
            id="more than all of its memory",
        ),
    ],
)
def test_a_reading_is_within_what_its_node_has(read: Reading, real: str | None, simulated: str | None) -> None:
    """A reading is within what its node has; a simulated node's memory is this machine's and may exceed its board's."""
    assert check_reading(read, REAL) == real
    assert check_reading(read, FACTS) == simulated


def test_each_node_is_named_once_for_each_reason_and_all_is_counted() -> None:
    """Every refusal is counted, and each node is named once for each reason, as many nodes as can be read."""
    counts: Counter[str] = Counter()
    events: list[tuple[str, str | None, str]] = []
    refusals = Refusals(counts, lambda *event: events.append(event))
    for _ in range(3):
        refusals.note("pi2", "too much", "4294967296 users")
    refusals.note("pi1", "too much")
    refusals.note("pi1", "too late")
    assert events == [
        (NOT_CREDIBLE, "pi2", "4294967296 users"),
        (NOT_CREDIBLE, "pi1", "too much: dropped"),
        (NOT_CREDIBLE, "pi1", "too late: dropped"),
    ]
    counts["of nobody"] += 1
    assert refusals.named(counts) == {"too much (pi1, pi2)": 4, "too late (pi1)": 1, "of nobody": 1}
    for number in range(3, 9):
        refusals.note(f"pi{number}", "too late")
    assert "too late (pi1, pi3, pi4, pi5, pi6 and 2 more)" in refusals.named(counts)


def test_the_first_nodes_that_are_not_believed_are_told_of_one_by_one() -> None:
    """The first nodes that are not believed are named one by one from a run's events, so a resumed run knows those from before."""
    events = [(1.0, NOT_CREDIBLE, f"pi{number}", "too much: dropped") for number in range(1, 8)]
    events += [(2.0, NOT_CREDIBLE, "pi1", "too late: dropped"), (3.0, "lost", "pi9", "its agent fell silent")]
    assert refusal_warnings(events) == [
        "pi1 sent what can't be true: too much: dropped; too late: dropped",
        *(f"pi{number} sent what can't be true: too much: dropped" for number in range(2, 6)),
        "2 more nodes sent what can't be true",
    ]
    assert refusal_warnings(events[-1:]) == []
