"""The lines of a process's log: each with its time and who said it. Pure.

    2026-11-27T21:27:53.234Z sim001_0 | text

A line that the process did not write by Python's `sys.stdout` or `sys.stderr`, such as one of a program that it has started, has neither.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

NOBODY = "-"
"""Stands for the source of a line that belongs to none of a process's workers."""
_STAMPED = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (\S{1,200}) \| (.*)", re.DOTALL)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LogLine(NamedTuple):
    """One line of a log."""

    at_s: float | None
    """Wall clock as Unix time; None where the line does not say."""
    source: str
    """A worker, as NODE_INDEX, or another process; NOBODY where the line does not say."""
    text: str


def format_line(line: LogLine) -> str:
    """The line as it stands in a log, with its end. Its time must be known."""
    moment = _EPOCH + timedelta(seconds=line.at_s or 0.0)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z {line.source} | {line.text}\n"


def parse_line(text: str) -> LogLine:
    """What `text`, without its end, says; all of it is the text where it was not written by `format_line`."""
    found = _STAMPED.fullmatch(text)
    if found is None:
        return LogLine(None, NOBODY, text)
    try:
        moment = datetime.strptime(found[1], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError:  # the 40th of a month
        return LogLine(None, NOBODY, text)
    return LogLine((moment - _EPOCH).total_seconds(), found[2], found[3])


def secrets_of(environment: Mapping[str, str], target_password: str) -> dict[str, str]:
    """What no log may tell, by name."""
    return {**environment, "the target's password": target_password}
