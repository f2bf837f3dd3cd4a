"""Condition flags of a Raspberry Pi: four conditions, each true, false or unknown, in one byte. Pure.

The low nibble has the active conditions in the order of the firmware's `get_throttled` (Raspberry Pi documentation,
"get_throttled"), the high nibble which of the four are known. So 0 is "nothing known", as on a machine without these sensors,
and 0xF0 is "all well". An active bit whose known bit is not set counts as unknown.
"""

from __future__ import annotations

UNDER_VOLTAGE = 1
"""The supply is below 4.63 V ± 5 %."""
FREQUENCY_CAPPED = 2
"""The Arm clock may not go up to its maximum, because of the supply."""
THROTTLED = 4
"""The Arm clock is held down, because of the supply or of 80 °C or more."""
SOFT_LIMITED = 8
"""The Arm clock is held down because of a lower limit that some boards have (60 °C on a 3 Model B+)."""

ALL = UNDER_VOLTAGE | FREQUENCY_CAPPED | THROTTLED | SOFT_LIMITED
HELD_DOWN = FREQUENCY_CAPPED | THROTTLED
"""Conditions in which the clock is unpredictable: they make a node unfit, and shed its users."""
SLOWING = HELD_DOWN | SOFT_LIMITED
"""Conditions in which the same work takes longer."""
UNKNOWN = 0


def pack_flags(active: int, known: int = ALL) -> int:
    """Pack condition flags: low nibble active, high nibble known."""
    return (known & ALL) << 4 | (active & known & ALL)


def is_active(conditions: int, which: int) -> bool:
    """Whether any of the conditions in `which` is known to be active."""
    return bool(conditions & conditions >> 4 & which & ALL)


def flag_state(conditions: int, which: int) -> bool | None:
    """Whether the one condition `which` is active; None when unknown."""
    return bool(conditions & which) if conditions >> 4 & which else None


def merge_flags(one: int, other: int) -> int:
    """Merge the flags of two times: active if active at either, unknown if unknown at one and not active at the other."""
    active = one & one >> 4 | other & other >> 4
    return pack_flags(active, one >> 4 & other >> 4 | active)


class Accumulator:
    """The conditions that have been active since the sample before, and since the first one with any known.

    The firmware's own "has occurred" bits are of no use for the latter, since the kernel's hwmon driver clears them every
    2 s, if it is loaded. But one that is set now and was not at the sample before was active in between, however shortly.
    """

    def __init__(self) -> None:
        self._occurred: int | None = None
        self._since_start: int | None = None

    def add(self, now: int, occurred: int | None) -> tuple[int, int]:
        """Add the flags `now`, and the firmware's "has occurred" bits, None when unknown.

        Returns the flags since the sample before (false: not seen), and since the start.
        """
        risen = 0 if occurred is None or self._occurred is None else occurred & ~self._occurred & ALL
        self._occurred = occurred
        lately = pack_flags(now & now >> 4 | risen, now >> 4 | risen)
        if self._since_start is not None:
            self._since_start = merge_flags(self._since_start, lately)
        elif lately:
            self._since_start = lately
        return lately, self._since_start or UNKNOWN
