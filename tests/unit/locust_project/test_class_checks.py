"""Hosts and weights of user classes beside those of the scenario."""

from __future__ import annotations

from pathlib import Path

import pytest

from master.project.checks.class_checks import check_hosts, check_tags, check_weights
from master.project.checks.finding import Severity
from worker.wire.work import UserShare

REFUSED, WARNED = Severity.REFUSED, Severity.WARNED
TARGET = "http://target.test:80"
FILE = Path("/project/own.py")


def test_the_one_host_of_the_classes_is_told_of_where_it_is_not_the_target() -> None:
    """A host of the user classes other than the target is warned of, since the target replaces it as Locust's --host does."""
    (finding,) = check_hosts(FILE, {"A": "http://other.test"}, TARGET)
    assert (finding.severity, "http://other.test" in finding.what, TARGET in finding.remedy) == (WARNED, True, True)
    assert check_hosts(FILE, {"A": TARGET + "/"}, TARGET) == []


def test_several_hosts_are_warned_of_where_there_is_a_target() -> None:
    """Hosts of user classes go behind a target that is given, as with Locust, and the operator is told."""
    (finding,) = check_hosts(FILE, {"A": "http://a.test", "B": TARGET}, TARGET)
    assert finding.severity is WARNED
    assert TARGET in finding.remedy


@pytest.mark.parametrize(
    ("own", "given", "told"),
    [
        ((1, 1), (3, 1), False),
        ((3, 1), (3, 1), False),
        ((3, 1), (6, 2), False),
        ((3, 1), (1, 1), True),
        ((1, 3), (1, 1), True),
    ],
)
def test_weights_of_classes_are_told_of_where_the_scenarios_are_others(
    own: tuple[int, int], given: tuple[int, int], told: bool
) -> None:
    """Weights of user classes other than the scenario's are warned of; classes without one say nothing."""
    shares = [{"A": UserShare(weight=a), "B": UserShare(weight=b)} for a, b in (own, given)]
    assert [finding.severity for finding in check_weights(FILE, *shares)] == [WARNED] * told


def test_fixed_counts_of_classes_are_told_of_where_the_scenarios_are_others() -> None:
    """Fixed counts of user classes other than the scenario's are warned of."""
    own = {"A": UserShare(fixed_count=2), "B": UserShare(weight=1)}
    assert check_weights(FILE, own, {"A": UserShare(fixed_count=2), "B": UserShare(weight=1)}) == []
    (finding,) = check_weights(FILE, own, {"A": UserShare(weight=1), "B": UserShare(weight=1)})
    assert "A = 2" in finding.what


@pytest.mark.parametrize(
    ("tags", "exclude_tags", "found"),
    [
        (None, None, []),
        (("a",), None, [(REFUSED, "C has no task with one of the tags a")]),
        (("a", "b", "x"), None, [(WARNED, "tags: 'x' is on no task"), (REFUSED, "C has no task")]),
        (None, ("b", "x"), [(WARNED, "exclude_tags: 'x' is on no task")]),
        (None, ("a",), [(REFUSED, "B has no task without one of the excluded tags a")]),
        (("a", "b"), ("b",), [(REFUSED, "C has no task with")]),
        (("b",), ("a",), [(REFUSED, "B has no task with one"), (REFUSED, "C has no task with one")]),
        (("a",), ("a",), [(REFUSED, f"{name} has no task") for name in "ABC"]),
        ((), (), []),
    ],
)
def test_tags_that_choose_nothing_are_named(
    tags: tuple[str, ...] | None, exclude_tags: tuple[str, ...] | None, found: list[tuple[Severity, str]]
) -> None:
    """A tag on no task is a warning, and a class that a choice leaves without a task is refused."""
    findings = check_tags(FILE, {"A": [{"a"}, {"b"}], "B": [{"a"}], "C": [set()]}, tags, exclude_tags)
    assert [
        (finding.severity, finding.what[: len(what)]) for finding, (_, what) in zip(findings, found, strict=True)
    ] == found


def test_a_class_without_a_wanted_tag_is_refused_with_the_tags_that_it_has() -> None:
    """Who misspells a tag sees those that there are, and what to do with a locustfile alone as with a scenario."""
    (_, refusal) = check_tags(FILE, {"A": [{"read", "raw"}]}, ("raed",), None)
    assert "Its tags: raw, read." in refusal.remedy
    assert "`users`, or with -f" in refusal.remedy
