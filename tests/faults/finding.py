"""What one side of a fault showed."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """Whether what ought to hold did, and what was seen, as one short phrase with figures."""

    holds: bool
    seen: str
