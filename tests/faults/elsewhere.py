"""Runs a module as a process on another machine would: `python elsewhere.py AHEAD_S MODULE`.

The process's wall clock is AHEAD_S ahead of this machine's, and its monotonic clock counts from another moment, as
another machine's does.
"""

from __future__ import annotations

import runpy
import sys
import time

BOOTED_EARLIER_S = 10_000.0


def main() -> None:
    """Set the clocks, then run the module."""
    ahead_s = float(sys.argv[1])
    wall, monotonic = time.time, time.monotonic
    time.time = lambda: wall() + ahead_s
    time.monotonic = lambda: monotonic() + BOOTED_EARLIER_S
    runpy.run_module(sys.argv[2], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
