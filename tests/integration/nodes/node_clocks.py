"""Wall clocks and monotonic clocks for the nodes of a run that are ahead of this machine's or behind."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

PROBE_S = 3600.0


class Clocks:
    """The clocks of a run's nodes, which clocks/sitecustomize.py reads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def set_wall(self, node: str, ahead_s: float) -> None:
        """Set the node's wall clock ahead of this machine's by so much, from now on."""
        new = self._folder / "new"
        new.write_text(str(ahead_s))
        new.replace(self._folder / f"{node}.wall")

    def shift_monotonic(self, node: str, ahead_s: float) -> None:
        """Have the node start with a monotonic clock ahead of this machine's by so much."""
        (self._folder / f"{node}.enter").write_text(json.dumps(into_time_namespace(ahead_s)))


def into_time_namespace(ahead_s: float) -> list[str]:
    """Return the words before a command that shift its monotonic clock."""
    shifts = [f"--monotonic={ahead_s:.0f}", f"--boottime={ahead_s:.0f}"]
    return ["unshare", "--user", "--map-root-user", "--time", *shifts, "--"]


def why_no_time_namespaces() -> str | None:
    """Return why commands can't run with another monotonic clock, or None when they can."""
    command = [*into_time_namespace(PROBE_S), sys.executable, "-c", "import time; print(time.monotonic())"]
    before_s = time.monotonic()
    try:
        probe = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except OSError as error:
        return str(error)
    if probe.returncode:
        return probe.stderr.strip()
    return (
        None if float(probe.stdout) >= before_s + PROBE_S else "the command is not in its namespace (Linux before 6.0)"
    )
