"""The probe of the firmware by the program `vcgencmd`, for systems that give no access to /dev/vcio.

A process costs a hundred times what an ioctl does, so it is started every POLL_INTERVAL_S only, and its output holds until
then. The programs run beside the agent: one that hangs is killed after TIMEOUT_S, and never waited for.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from pathlib import Path

from worker.telemetry.pi.firmware import Firmware, ProbeError, from_throttled, plausible_hz

POLL_INTERVAL_S = 5.0
TIMEOUT_S = 2.0
COMMANDS = (("get_throttled",), ("measure_clock", "arm"))
_MAX_BYTES = 4096


def parse_throttled(text: str) -> int | None:
    """The word in `throttled=0x50005`; None for any other text, such as an error."""
    found = re.fullmatch(r"throttled=0x([0-9a-fA-F]{1,8})\s*", text)
    return int(found[1], 16) if found else None


def parse_clock(text: str) -> float | None:
    """The Hz in `frequency(48)=1500345728`; None for any other text, or an impossible clock."""
    found = re.fullmatch(r"frequency\([0-9]+\)=([0-9]{1,12})\s*", text)
    return plausible_hz(float(found[1])) if found else None


class Vcgencmd:
    """The firmware behind the first program of `paths` that exists."""

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self._started_s: float | None = None
        self._running: list[subprocess.Popen[bytes]] = []
        self._killed: list[subprocess.Popen[bytes]] = []
        self._latest: Firmware | None = None

    def read(self, now_s: float) -> Firmware | None:
        """The latest answer; None until there is one. Raises ProbeError."""
        if self._running:
            self._collect(now_s)
        elif self._started_s is None or now_s - self._started_s >= POLL_INTERVAL_S:
            self._start(now_s)
        return self._latest

    def _start(self, now_s: float) -> None:
        self._started_s = now_s
        self._killed = [process for process in self._killed if process.poll() is None]
        if self._killed:
            # Not even a kill ends a process that waits for a driver: one is enough.
            raise self._failed("an earlier one has not ended yet")
        program = next((path for path in self._paths if path.is_file()), None)
        if program is None:
            raise self._failed("it is not installed")
        try:
            for command in COMMANDS:
                self._running.append(
                    subprocess.Popen(  # noqa: S603  # a program of the system, by its full path
                        [program, *command],
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.DEVNULL,
                    )
                )
        except OSError as error:
            raise self._failed(error.strerror or "it can't be run") from None

    def _collect(self, now_s: float) -> None:
        """Parse the output once all programs have ended."""
        assert self._started_s is not None
        if any(process.poll() is None for process in self._running):
            if now_s - self._started_s >= TIMEOUT_S:
                raise self._failed(f"no answer within {TIMEOUT_S:g} s")
            return
        throttled_text, clock_text = (_output(process) for process in self._running)
        self._running.clear()
        throttled = parse_throttled(throttled_text)
        if throttled is None:
            raise self._failed(throttled_text.strip()[:100] or "no output")
        self._latest = Firmware(*from_throttled(throttled), parse_clock(clock_text))

    def _failed(self, why: str) -> ProbeError:
        self.close()
        return ProbeError(f"vcgencmd: {why}")

    def close(self) -> None:
        """Kill what runs, without waiting, and drop the latest answer."""
        for process in self._running:
            process.kill()
            assert process.stdout is not None
            process.stdout.close()
            if process.poll() is None:
                self._killed.append(process)
        self._running.clear()
        self._latest = None


def _output(process: subprocess.Popen[bytes]) -> str:
    """The output of a process that has ended, without waiting for any that it has left behind."""
    assert process.stdout is not None
    with process.stdout:
        os.set_blocking(process.stdout.fileno(), False)
        with contextlib.suppress(BlockingIOError):
            return os.read(process.stdout.fileno(), _MAX_BYTES).decode(errors="replace")
    return ""
