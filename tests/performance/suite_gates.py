"""The tests of every suite."""

from __future__ import annotations

from typing import Any

import suites


def test_the_generator_was_fit_and_the_figure_is_there(suite: str, measured: dict[str, Any]) -> None:
    """A result that can't be trusted is none."""
    assert measured["verdict"] in {"PASS", "FAIL"}, measured["reason"]
    assert measured[suites.FIGURES[suite].key] > 0


def test_the_gate_holds(measured: dict[str, Any], rule: str) -> None:
    """Each threshold of the suite's scenario holds."""
    (gate,) = (each for each in measured["gates"] if each["rule"] == rule)
    assert gate["ok"], f"{rule}: observed {gate['observed']}"
