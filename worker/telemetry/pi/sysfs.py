"""The probe of the firmware by the kernel's files. They can show that a condition is active, never that it is not.

`get_throttled` is what the firmware last answered some driver, perhaps long ago; `in0_lcrit_alarm` is whether there was an
under-voltage within the last 2 s, or 0 if the firmware never answered the driver (drivers/firmware/raspberrypi.c and
drivers/hwmon/raspberrypi-hwmon.c). The clock that the kernel shows is the one that was asked for, not the true one.
"""

from __future__ import annotations

import re
from pathlib import Path

from worker.telemetry.conditions import ALL, UNDER_VOLTAGE, pack_flags
from worker.telemetry.pi.firmware import Firmware, ProbeError
from worker.telemetry.proc_files import NumberFile, find_chip, read_text

GET_THROTTLED = Path("sys/devices/platform/soc/soc:firmware/get_throttled")
SUPPLY_CHIP = "rpi_volt"


def parse_throttled(text: str) -> int | None:
    """The word in `50005`, hexadecimal without a prefix; None for any other text."""
    return int(text, 16) if re.fullmatch(r"[0-9a-fA-F]{1,8}\s*", text) else None


def find_alarm(root: Path) -> Path | None:
    """The file that has the alarm of a recent under-voltage."""
    chip = find_chip(root, SUPPLY_CHIP)
    return None if chip is None else chip / "in0_lcrit_alarm"


class Sysfs:
    """The files below `root`."""

    def __init__(self, root: Path) -> None:
        self._throttled = root / GET_THROTTLED
        self._alarm = NumberFile(lambda: find_alarm(root))

    def read(self, now_s: float) -> Firmware:
        """The active conditions. Raises ProbeError when neither file can be read."""
        throttled = parse_throttled(read_text(self._throttled))
        alarm = self._alarm.read(now_s)
        if throttled is None and alarm is None:
            raise ProbeError("no file has the state of the supply")
        wrong = (throttled or 0) & ALL | (UNDER_VOLTAGE if alarm else 0)
        return Firmware(pack_flags(wrong, wrong), None if throttled is None else throttled >> 16 & ALL)

    def close(self) -> None:
        """Close the file."""
        self._alarm.close()
