"""The embedded target that a run whose controller died has left on a port that the next run needs."""

from __future__ import annotations

import contextlib
import signal

import psutil

END_IF_ORPHANED = signal.SIGUSR1
"""Ends an embedded target whose controller has died; one whose controller lives ignores it (master/target/__main__.py)."""


def end_orphaned_targets(host: str, port: int) -> list[int]:
    """Ask each embedded target on `port` of the address `host` to end if its controller has died. Returns their process ids."""
    wanted = {"master.target", "--until-stdin-closes", f"--host={host}", f"--port={port}"}
    found: list[int] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # it has ended, or is another user's
            if wanted.issubset(process.cmdline()):
                process.send_signal(END_IF_ORPHANED)
                found.append(process.pid)
    return found
