"""The choice among the probes of a Pi's firmware: the first that answers, chosen once, and again after it has failed.

/dev/vcio comes first, `vcgencmd` next, the kernel's files last.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from worker.telemetry.conditions import UNDER_VOLTAGE, UNKNOWN, is_active, pack_flags
from worker.telemetry.pi.firmware import Firmware, Probe, ProbeError
from worker.telemetry.pi.mailbox import Mailbox
from worker.telemetry.pi.sysfs import Sysfs
from worker.telemetry.pi.vcgencmd import Vcgencmd

MAX_FAILURES = 3
"""After so many failures in a row a probe that has answered before is given up."""
RETRY_S = 60.0
"""When no probe works, all are tried again after so long."""
NOTHING = Firmware()


class ProbeChain:
    """Reads the first of several probes that answers."""

    def __init__(self, probes: Sequence[Probe], *, reports_under_voltage: bool = True) -> None:
        """Boards of the Zero range do not report under-voltage: without `reports_under_voltage`, that flag is unknown unless active."""
        self._probes = probes
        self._reports_under_voltage = reports_under_voltage
        self._at = 0
        self._answered = False
        self._failures = 0
        self._retry_at_s = 0.0

    def read(self, now_s: float) -> Firmware:
        """The firmware's state at `now_s`, as far as it is known. Never waits, and never raises."""
        if self._at == len(self._probes) and now_s >= self._retry_at_s:
            self._at = 0
        while self._at < len(self._probes):
            try:
                answer = self._probes[self._at].read(now_s)
            except ProbeError:
                if self._may_fail():
                    break
                self._give_up(now_s)
                continue
            if answer is None:
                break
            self._answered, self._failures = True, 0
            return self._mask_under_voltage(answer)
        return NOTHING

    def _may_fail(self) -> bool:
        """Count a failure of the probe in use; whether it is kept."""
        self._failures += 1
        return self._answered and self._failures < MAX_FAILURES

    def _give_up(self, now_s: float) -> None:
        """Switch to the next probe, or to the first from one that has answered until now."""
        self._probes[self._at].close()
        self._at = 0 if self._answered else self._at + 1
        self._answered, self._failures = False, 0
        self._retry_at_s = now_s + RETRY_S

    def _mask_under_voltage(self, answer: Firmware) -> Firmware:
        conditions = answer.conditions
        if self._reports_under_voltage or is_active(conditions, UNDER_VOLTAGE):
            return answer
        return answer._replace(conditions=pack_flags(conditions, conditions >> 4 & ~UNDER_VOLTAGE) or UNKNOWN)

    def close(self) -> None:
        """Close all probes."""
        for probe in self._probes:
            probe.close()


def chain_for(model: str, root: Path) -> ProbeChain:
    """The chain for a machine of this model, whose files are below `root`; without probes if it is no Pi."""
    if not model.startswith("Raspberry Pi"):
        return ProbeChain(())
    programs = (root / "usr/bin/vcgencmd", root / "opt/vc/bin/vcgencmd")
    return ProbeChain(
        (Mailbox(root / "dev/vcio"), Vcgencmd(*programs), Sysfs(root)),
        reports_under_voltage=not model.startswith("Raspberry Pi Zero"),
    )
