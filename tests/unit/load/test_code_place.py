"""Places in code, as people read them."""

from __future__ import annotations

import re
import sys

import pytest

from worker.code_place import in_brackets, place_of_call, place_of_error


def test_a_place_is_file_and_line_without_folders() -> None:
    """A call and an error have the file's name and the line; folders would tell whose machine it was."""
    frame = sys._getframe()
    assert place_of_call(frame) == f"test_code_place.py:{frame.f_lineno}"
    with pytest.raises(IndexError) as caught:
        _first([])
    assert re.fullmatch(r"test_code_place\.py:\d+", place_of_error(caught.value))


def _first(items: list[str]) -> str:
    return items[0]


def test_what_has_no_place_has_no_brackets() -> None:
    """An error that was never raised has no place, and leaves no empty brackets in a sentence."""
    assert place_of_error(ValueError()) == ""
    assert in_brackets("") == ""
    assert in_brackets("locustfile.py:12") == " (locustfile.py:12)"
