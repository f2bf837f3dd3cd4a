"""A fault of one part of the judging makes that part unknown: never is a run lost for it, and never is it passed over.

Whatever was measured, and whatever is wrong in what works it out, a run ends with a verdict and its files.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from master.errors import InputError
from worker.code_place import in_brackets, place_of_error

T = TypeVar("T")


def fault_text(error: Exception) -> str:
    """Whose fault it is that something is unknown, and where it lies, for people."""
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, sqlite3.Error):
        return f"run.db can't be read: {said}"
    if isinstance(error, InputError):
        return error.message  # a file that was there when the run began
    return f"a fault of piswarm's own: {said}{in_brackets(place_of_error(error))}"


class Faults:
    """What could not be worked out of a run, part by part."""

    def __init__(self) -> None:
        self.found: list[str] = []
        """What is missing and why, for people."""

    def attempt(self, what: str, make: Callable[[], T], instead: T) -> T:
        """What `make` gives, or `instead` where that fails; then `what` is noted to be unknown."""
        try:
            return make()
        except Exception as error:  # noqa: BLE001  # whatever it is: the rest of the result is worth having
            self.found.append(f"{what}: unknown, {fault_text(error)}")
            return instead
