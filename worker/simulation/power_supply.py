"""A simulated Pi's power supply, and the firmware's reaction to a sagging voltage. Pure; time is a parameter."""

from __future__ import annotations

RECOVERED_BELOW = 0.95
"""The voltage recovers when less than this share of the limit is drawn."""
HOLD_S = 5.0
"""The time that the voltage must be good before the firmware restores the clock (estimated; it is not published)."""


class PowerSupply:
    """A supply that sags below 4.63 V while more than `limit_w` is drawn from it.

    The firmware then lowers the clock, and with it the power: the voltage recovers, the clock is restored, and under the same
    load it sags again. So a board with too weak a supply oscillates, as real ones do.
    """

    def __init__(self, limit_w: float) -> None:
        self.limit_w = limit_w
        self.sagging = False
        """Whether the firmware sees an under-voltage, or saw one less than HOLD_S ago."""
        self._good_s = 0.0

    def draw(self, seconds: float, power_w: float) -> None:
        """Draw `power_w` for so many seconds."""
        if power_w > self.limit_w:
            self.sagging = True
            self._good_s = 0.0
        elif self.sagging:
            self._good_s = self._good_s + seconds if power_w < RECOVERED_BELOW * self.limit_w else 0.0
            self.sagging = self._good_s < HOLD_S
