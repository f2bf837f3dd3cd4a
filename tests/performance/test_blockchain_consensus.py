"""The gates of the chain, measured by piswarm; as a script it prints them: python tests/performance/test_blockchain_consensus.py."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import suites

SUITE = "blockchain_consensus"

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    return suites.measure(SUITE)


def test_the_generator_was_fit_and_the_figure_is_there(measured: dict[str, Any]) -> None:
    """A result that can't be trusted is none."""
    assert measured["verdict"] in {"PASS", "FAIL"}, measured["reason"]
    assert measured[suites.FIGURES[SUITE].key] > 0


@pytest.mark.parametrize("rule", suites.rules(SUITE))
def test_the_gate_holds(measured: dict[str, Any], rule: str) -> None:
    """Each threshold of the suite's scenario."""
    (gate,) = (each for each in measured["gates"] if each["rule"] == rule)
    assert gate["ok"], f"{rule}: observed {gate['observed']}"


if __name__ == "__main__":
    sys.exit(suites.main(SUITE))
