"""Rows of data in a result."""

from __future__ import annotations

import msgspec


class DataResult(msgspec.Struct, kw_only=True):
    """What became of the rows of one table of the scenario's data, in the whole run."""

    name: str
    use: str
    at_end: str | None
    """Null where rows have no end."""
    rows: int
    taken: int
    """How often users took a row."""
    used: int | None
    """Rows that were given to a user; null where they are not unique."""
    unsure: int | None
    """Rows that workers held which were lost, or sent no final report: used or not, nobody else got them; null as `used`."""
    waits: int
    """How many takes had to wait for a lease."""
    longest_wait_ms: float
    timeouts: int
    """How many waited in vain, and raised an exception in the user's code."""
    stopped_users: int
    """Users that were stopped since all rows were used."""
    ended_s: float | None
    """When a user first found all rows used, in seconds of the run; null when none did."""
