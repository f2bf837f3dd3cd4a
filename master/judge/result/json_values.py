"""What JSON and its readers can hold of any value."""

from __future__ import annotations

import math
import sys
from typing import Any

_LARGEST = (1 << 63) - 1
"""Readers have no larger integers."""


def for_json(value: Any) -> Any:
    """`value` without what JSON or its readers can't hold: the nearest they can, and null for what is no number."""
    made = value
    match value:
        case dict():
            made = {for_json(key): for_json(one) for key, one in value.items()}
        case list() | tuple():
            made = [for_json(one) for one in value]
        case str():
            made = value.encode(errors="replace").decode()  # half of a surrogate pair becomes a question mark
        case float():
            made = None if math.isnan(value) else min(max(value, -sys.float_info.max), sys.float_info.max)
        case int() if not isinstance(value, bool):
            made = min(max(value, -_LARGEST), _LARGEST)
    return made
