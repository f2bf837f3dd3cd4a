"""The results that suites have left below results/: the newest of each, and all of them by date. A damaged file is named, not skipped."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import suites

Measured = Mapping[str, Any]


class HistoryError(Exception):
    """A file of results can't be read, or there is none."""


def newest(results: Path) -> dict[str, Measured]:
    """The newest result of each suite that has one. Raises HistoryError."""
    found = {name: results / f"{name}.json" for name in suites.FIGURES}
    return {name: _read(file, name) for name, file in found.items() if file.is_file()}


def all_of(name: str, results: Path) -> list[Measured]:
    """Every result of a suite, the oldest first. Raises HistoryError."""
    files = (results / "history").glob(f"{name}-[0-9]*.json")
    return sorted((_read(file, name) for file in files), key=lambda each: str(each["started_at"]))


def figures(history: Sequence[Measured], name: str) -> list[float]:
    """The figure of each result that can be believed: a run whose generator was not fit has measured none."""
    key = suites.FIGURES[name].key
    return [each[key] for each in history if each["verdict"] in {"PASS", "FAIL"} and each[key] is not None]


def _read(file: Path, name: str) -> Measured:
    key = suites.FIGURES[name].key
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise HistoryError(f"{file}: {error}") from None
    if not isinstance(found, dict) or not {"suite", "started_at", "verdict", key} <= found.keys():
        raise HistoryError(f"{file}: no result of the suite {name}")
    if found[key] is not None and (isinstance(found[key], bool) or not isinstance(found[key], int | float)):
        raise HistoryError(f"{file}: {key} is no number")
    return found
