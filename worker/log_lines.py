"""The lines of a process's log: each with its time and who said it, without the secrets that the process was given. Pure.

    2026-11-27T21:27:53.234Z sim001_0 | text

A line that the process did not write by Python's `sys.stdout` or `sys.stderr`, such as one of a program that it has started, has neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import quote

from worker.wire.messages import Work

MIN_SECRET_LENGTH = 4
"""Shorter values stand in any text, and are not masked."""
MASKED = "***"
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


def secrets_of(work: Work) -> list[str]:
    """What no log may tell."""
    return [*work.environment.values(), work.target_password]


class Mask:
    """Masks secrets in text."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """`secrets` are masked as they are and as a part of a URL, the lines of each by themselves."""
        parts = {part.strip() for secret in secrets for part in secret.splitlines()}
        parts = {part for part in parts if len(part) >= MIN_SECRET_LENGTH}
        parts |= {quote(part, safe="") for part in parts}
        # The longest first: one secret may be the beginning of another.
        longest_first = sorted(parts, key=lambda part: (-len(part), part))
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if parts else None

    def __call__(self, text: str) -> str:
        """`text` with MASKED in place of each secret."""
        return text if self._pattern is None else self._pattern.sub(MASKED, text)
