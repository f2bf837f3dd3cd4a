"""A simulated Pi's power supply, and what the firmware does when its voltage sags. Pure; time is a parameter."""

from __future__ import annotations

RECOVERED_BELOW = 0.95
"""Below this share of what makes it sag the voltage is good again."""
HOLD_S = 5.0
"""For so long it must be good before the firmware gives the clock back (estimated; the firmware's own time is not published)."""


class PowerSupply:
    """A supply that sags below 4.63 V while more than `limit_w` is drawn from it.

    The firmware then holds the clock down, and with the clock falls what is drawn: the voltage rises, the clock is given
    back, and if the load is still there it sags again. So a board with too weak a supply goes up and down, as real ones do.
    """

    def __init__(self, limit_w: float) -> None:
        self.limit_w = limit_w
        self.sagging = False
        """Whether the firmware sees an under-voltage, or has seen one up to HOLD_S ago."""
        self._good_s = 0.0

    def draw(self, seconds: float, power_w: float) -> None:
        """Let so much be drawn from it for some time."""
        if power_w > self.limit_w:
            self.sagging = True
            self._good_s = 0.0
        elif self.sagging:
            self._good_s = self._good_s + seconds if power_w < RECOVERED_BELOW * self.limit_w else 0.0
            self.sagging = self._good_s < HOLD_S
