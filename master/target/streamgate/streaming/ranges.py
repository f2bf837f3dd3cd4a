"""The header Range, RFC 9110 section 14. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

# One range alone. A server may ignore several, and an invalid one; it then answers with the whole.
_BYTES = re.compile(r"bytes=[ \t]*(\d*)-(\d*)[ \t]*", re.ASCII | re.IGNORECASE)
# No content is as long as a number of so many digits; Python refuses to read those of thousands.
_MAX_DIGITS = 18


class Span(NamedTuple):
    """The bytes from `start` to before `end`."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """How many."""
        return self.end - self.start


class UnsatisfiableRangeError(Exception):
    """No byte of the content lies in the range."""


def parse_range(header: str, size_bytes: int) -> Span | None:
    """What is asked for of a content of that size; None where the header is to be ignored. Raises UnsatisfiableRangeError."""
    found = _BYTES.fullmatch(header)
    if found is None:
        return None
    first, last = found.groups()
    if not first:
        if not last:
            return None
        suffix_bytes = _number(last)
        if not suffix_bytes or not size_bytes:
            raise UnsatisfiableRangeError
        return Span(max(0, size_bytes - suffix_bytes), size_bytes)
    start = _number(first)
    if last and _number(last) < start:
        return None  # invalid, and not merely out of reach
    if start >= size_bytes:
        raise UnsatisfiableRangeError
    return Span(start, min(_number(last) + 1, size_bytes) if last else size_bytes)


def _number(digits: str) -> int:
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) <= _MAX_DIGITS else 10**_MAX_DIGITS
