"""The project's process before it is known what it is to import: it imports Locust while the controller does the same.

Either takes more than a second, so that it is started first of all. Imports little, and nothing of Locust's.
"""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from pathlib import Path

from master.run.processes.child_process import Child

END_S = 5.0
"""A process that was killed is waited for as long."""
MAX_SCENARIO_BYTES = 1 << 20


def names_project(scenario: Path) -> bool:
    """Whether the scenario in this file may well bring a locustfile. What it says is read later; here a wrong answer costs only time."""
    try:
        if not scenario.is_file():  # a pipe would be waited for
            return False
        with scenario.open("rb") as file:
            text = file.read(MAX_SCENARIO_BYTES)
    except OSError:
        return False
    return b"locustfile" in text or b"project" in text


class WaitingProcess:
    """One process that waits for its orders. To be handed over to a ProjectProcess, which then closes it, or to be closed."""

    def __init__(self) -> None:
        """Start it. The standard library is to be patched for gevent before, by which its end is waited for."""
        self.socket, theirs = socket.socketpair()
        self.descriptor = theirs.fileno()
        """The process's end of the socket, by its number there."""
        descriptor, log = tempfile.mkstemp(prefix="piswarm-project-", suffix=".log")
        os.close(descriptor)
        self.log = Path(log)
        """Its output."""
        self._handed_over = False
        try:
            with theirs:
                self.child = Child("project", "master.project.process", log=self.log, pass_descriptor=self.descriptor)
        except BaseException:
            self.socket.close()
            self.log.unlink(missing_ok=True)
            raise

    def hand_over(self) -> None:
        """Somebody else closes it from now on."""
        self._handed_over = True

    def close(self) -> None:
        """End the process, unless it was handed over."""
        if self._handed_over:
            return
        with contextlib.suppress(OSError):
            self.socket.close()
        self.child.kill()
        self.child.wait(END_S)
        self.child.close()
        self.log.unlink(missing_ok=True)
