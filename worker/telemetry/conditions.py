"""Four conditions that hold a Raspberry Pi back, each true, false or unknown, in one small number. Pure.

The firmware of a Pi tells them as bits 0 to 3 of `get_throttled` (Raspberry Pi documentation, "get_throttled"), and this keeps
their order: bits 0 to 3 say which conditions hold, and bits 4 to 7 which of these four bits are known at all. So 0 is
"nothing is known", which is what a machine without these sensors says, and 0xF0 is "all is well". A bit that says that a
condition holds but not that this is known means nothing: a peer can't be misread by sending it.
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
"""Those in which the clock is no one's to foresee: what makes a node unfit, and sheds its users."""
SLOWING = HELD_DOWN | SOFT_LIMITED
"""Those in which the same work takes longer."""
UNKNOWN = 0


def pack_flags(holding: int, known: int = ALL) -> int:
    """Conditions of which those in `known` are known, and those in `holding` hold."""
    return (known & ALL) << 4 | (holding & known & ALL)


def is_active(conditions: int, which: int) -> bool:
    """Whether any of `which` is known to hold."""
    return bool(conditions & conditions >> 4 & which & ALL)


def flag_state(conditions: int, which: int) -> bool | None:
    """Whether the one condition `which` holds; None when that is unknown."""
    return bool(conditions & which) if conditions >> 4 & which else None


def merge_flags(one: int, other: int) -> int:
    """What held at one time or another: true if it held at any of them, unknown if it did not and was unknown at any of them."""
    holding = one & one >> 4 | other & other >> 4
    return pack_flags(holding, one >> 4 & other >> 4 | holding)


class Accumulator:
    """What has held since the sample before, and since the first that knew anything.

    The firmware's own "has occurred" bits are no help for the latter, since the kernel's hwmon driver has them cleared
    every 2 s, if it is loaded. But one that was not set at the sample before and is now tells of something in between,
    however short.
    """

    def __init__(self) -> None:
        self._occurred: int | None = None
        self._since_start: int | None = None

    def add(self, now: int, occurred: int | None) -> tuple[int, int]:
        """Take in the conditions `now` and the bits that say "has occurred", None when unknown.

        Returns the conditions since the sample before (false: it was not seen) and since the start.
        """
        risen = 0 if occurred is None or self._occurred is None else occurred & ~self._occurred & ALL
        self._occurred = occurred
        lately = pack_flags(now & now >> 4 | risen, now >> 4 | risen)
        if self._since_start is not None:
            self._since_start = merge_flags(self._since_start, lately)
        elif lately:
            self._since_start = lately
        return lately, self._since_start or UNKNOWN
