"""Tests are no packages, so pytest imports each by its file's name alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parents[2]


def test_no_two_test_files_have_one_name() -> None:
    """No two test files have the same name: pytest would refuse to collect the second, and run none of its tests."""
    names = Counter(path.name for path in TESTS.rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
