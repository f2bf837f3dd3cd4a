"""How the rounds of `make bench-deploy` are combined, and the table of them."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

BENCH = Path(__file__).parents[2] / "bench"
sys.path += [str(BENCH), str(BENCH / "deploy")]

from cases import CASES, Cost, Round, order  # noqa: E402
from figures import PAPER, on_paper, row, rows_of  # noqa: E402
from show import print_table  # noqa: E402

MACHINE = {"cpu": "a processor", "cores": 2}


def one(number: int, way: str, seconds: float, *, hosts: int = 8, case: str = "first") -> Round:
    """A round whose other figures are in proportion to its time."""
    cost = Cost(seconds, seconds / 2, seconds / 4, int(seconds * 1e6), int(seconds * 1e3))
    return Round(number, hosts, way, case, cost, release_bytes=1000 if way == "ours" else None)


def test_each_round_has_both_ways_and_each_second_one_the_other_way_round() -> None:
    """Each round measures both tools, in alternating order, since the first one finds colder caches."""
    assert list(order([2, 4], 2)) == [
        (0, 2, "ours"),
        (0, 2, "ansible"),
        (0, 4, "ours"),
        (0, 4, "ansible"),
        (1, 2, "ansible"),
        (1, 2, "ours"),
        (1, 4, "ansible"),
        (1, 4, "ours"),
    ]


def test_times_is_the_median_of_the_rounds_ratios_and_not_the_ratio_of_medians() -> None:
    """The ratio of two tools is the median of the rounds' ratios, since what slows a whole round slows both of its halves."""
    rounds = [one(0, "ours", 1), one(0, "ansible", 4), one(1, "ours", 3), one(1, "ansible", 9), one(2, "ours", 2)]
    found = row(8, "first", "ours", [*rounds, one(2, "ansible", 20)])
    assert found.figures["seconds"] == 2
    assert found.times["seconds"] == found.times["cpu_s"] == 4
    assert found.release_bytes == 1000
    assert row(8, "first", "ansible", rounds).times == {}


def test_a_case_that_failed_in_one_round_has_no_figures() -> None:
    """A case that failed in one round has no figures, and the other tool has no ratio to it."""
    rounds = [one(0, "ours", 1), one(0, "ansible", 4), one(1, "ours", 1)]
    rounds.append(Round(1, 8, "ansible", "first", error="pi003: unreachable"))
    failed = row(8, "first", "ansible", rounds)
    assert failed.figures == {}
    assert failed.missing == "failed: pi003: unreachable"
    assert row(8, "first", "ours", rounds).times == {}
    assert row(8, "again", "ours", rounds).missing == "not measured"


def test_on_paper_a_fixed_part_and_a_part_for_each_host() -> None:
    """The fixed part and the part for each host follow from the fewest and the most hosts measured; those between do not count."""
    rounds = [one(0, "ours", seconds, hosts=hosts) for hosts, seconds in ((8, 3.0), (16, 100.0), (32, 9.0))]
    (paper,) = on_paper(rows_of(rounds))
    assert paper.fixed["seconds"] == pytest.approx(1.0)
    assert paper.each["seconds"] == pytest.approx(0.25)
    assert paper.whole("seconds") == pytest.approx(1 + PAPER * 0.25)


def test_on_paper_nothing_begins_below_nothing() -> None:
    """A line whose fixed part would be negative is replaced by the share of each host in the most that was measured."""
    rounds = [one(0, "ours", seconds, hosts=hosts) for hosts, seconds in ((8, 1.0), (32, 16.0))]
    (paper,) = on_paper(rows_of(rounds))
    assert (paper.fixed["seconds"], paper.each["seconds"]) == (0, 0.5)


def test_one_number_of_hosts_makes_no_line() -> None:
    assert on_paper(rows_of([one(0, "ours", 1), one(0, "ansible", 2)])) == []


def shown(rounds: list[Round], *, trial: bool = False) -> str:
    output = io.StringIO()
    rows = rows_of(rounds)
    print_table(
        Console(file=output, width=120),
        rows=rows,
        papers=on_paper(rows),
        machine=MACHINE,
        versions={"ours": "piswarm 1"},
        rounds=1,
        trial=trial,
        loads=[0.5],
    )
    return output.getvalue()


def test_the_table_has_both_ways_their_ratio_and_what_is_on_paper() -> None:
    """For each case the table shows both tools, their ratio, the extrapolation, and figures for each host."""
    both = (("ours", 2.0), ("ansible", 8.0))
    rounds = [
        one(0, way, seconds + hosts, hosts=hosts, case=case)
        for hosts in (8, 32)
        for case in CASES
        for way, seconds in both
    ]
    lines = [line.split() for line in shown(rounds).splitlines()]
    assert [
        "8",
        "first",
        "playbook",
        "16.00",
        "2.000",
        "8.00",
        "1.000",
        "4.00",
        "0.500",
        "16.000",
        "2.000",
        "0.016",
        "0.002",
    ] in lines
    assert [
        "8",
        "first",
        "fab",
        "10.00",
        "1.250",
        "5.00",
        "0.625",
        "2.50",
        "0.312",
        "10.000",
        "1.250",
        "0.010",
        "0.001",
    ] in lines
    assert lines.count(["times", *["1.6"] * 5]) == len(CASES)
    assert sum(line[:1] == ["(500)"] and line[3:4] in (["502.00"], ["508.00"]) for line in lines) == 2 * len(CASES)


def test_the_table_names_what_failed_and_what_the_playbook_did_not_do() -> None:
    """The table names failures, also in words that look like markup, and what the playbook did not do."""
    failed = Round(0, 8, "ansible", "first", error="pi003: [red] unreachable")
    text = shown([one(0, "ours", 1), failed])
    assert "8 hosts, first, playbook: failed: pi003: [red] unreachable" in text
    assert "fab also verifies each file" in text
    assert "Both verify each file" in shown([one(0, "ours", 1)], trial=True)
