"""What the page may start, as words of a command line: only what is checked against what there is. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime
from typing import Annotated

import msgspec

from master.errors import InputError

_SCENARIO = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.ya?ml")
_QUANTITY = re.compile(r"(?:[0-9][0-9.]{0,9}/?[a-z]{1,3}){1,4}")
Count = Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]


class Launch(msgspec.Struct, forbid_unknown_fields=True):
    """A run to be started: a scenario of the list, and what of it is changed. None: as in the scenario."""

    scenario: str
    users: Count | None = None
    rate: str | None = None
    max_users: Count | None = None
    duration: str | None = None
    nodes: Count | None = None
    """Simulated ones."""
    baseline: str | None = None
    """A run of the list to compare with."""

    def words(self, scenarios: str, known: Collection[str], runs: str, known_runs: Collection[str]) -> list[str]:
        """The words after `piswarm run`, for scenarios in the folder `scenarios`. Raises InputError for what there is not.

        No text from the network becomes an option or a path: names are those of the lists, quantities are digits with a unit.
        """
        if self.scenario not in known or not _SCENARIO.fullmatch(self.scenario):
            raise InputError(f"there is no scenario {self.scenario[:200]!r}", hint="Choose one of the list.")
        words = [f"{scenarios}/{self.scenario}"]
        for option, count in (("--users", self.users), ("--max-users", self.max_users), ("--local", self.nodes)):
            if count is not None:
                words += [option, str(count)]
        for option, quantity, example in (("--rate", self.rate, "500/s"), ("--duration", self.duration, "90s")):
            if quantity is not None:
                if not _QUANTITY.fullmatch(quantity):
                    raise InputError(f"{option}: {quantity[:100]!r} is none", hint=f"Say it as {example}.")
                words += [option, quantity]
        if self.baseline is not None:
            if self.baseline not in known_runs:
                raise InputError(f"there is no run {self.baseline[:200]!r} to compare with")
            words += ["--baseline", f"{runs}/{self.baseline}"]
        return words


def directory_name(scenario: str, at: datetime) -> str:
    """The name of a new run's directory."""
    return f"{scenario.rpartition('.')[0]}-{at:%Y%m%d-%H%M%S}"


def parse_launch(body: bytes) -> Launch:
    """A launch of a request's body. Raises InputError."""
    try:
        return msgspec.json.decode(body, type=Launch)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"the request is none that can be done: {error}") from None
