"""A Locust project sees under piswarm what it sees under stock Locust, or something else for a reason that is named."""

from __future__ import annotations

import pytest
from comparison import FEATURES, compare
from feature import Outcome
from table import EXAMPLES, PAGE, describe

SHOWN = [feature for feature in FEATURES if feature.pair == "shop"]
"""What one run of each of the two tools shows; `make parity` compares all."""


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    """One run of each tool, for all tests of this file."""
    return {outcome.feature.name: outcome for outcome in compare(SHOWN, print)}


@pytest.mark.parametrize("name", [feature.name for feature in SHOWN])
def test_a_feature_is_the_same_or_differs_as_is_said(outcomes: dict[str, Outcome], name: str) -> None:
    """What is observed of a feature is equal in both runs, or what piswarm is said to show instead."""
    outcome = outcomes[name]
    assert outcome.as_said, f"{outcome.fault}\nLocust   {describe(outcome.stock)}\npiswarm  {describe(outcome.ours)}"


def test_the_page_has_every_feature_and_no_fault() -> None:
    """The page of the documentation, which `make parity` writes, has a row of each feature, the same or with a reason."""
    page = PAGE.read_text(encoding="utf-8")
    assert EXAMPLES in page
    assert "| fails |" not in page
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    for feature in FEATURES:
        found = [row for row in rows if row.startswith(f"| {feature.title} |")]
        assert len(found) == 1, feature.title
        assert found[0].endswith("| same |") or (feature.reason and f"| different: {feature.reason} |" in found[0])


def test_projects_note_what_each_process_sees(outcomes: dict[str, Outcome]) -> None:
    """Nothing that is compared is empty: each observation of stock Locust has something in it."""
    assert all(outcome.stock and any(outcome.stock.values()) for outcome in outcomes.values())
