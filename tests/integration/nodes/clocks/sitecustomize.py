"""Gives the nodes of a `--separate` run clocks of their own. Python imports this at its start from a folder on PYTHONPATH.

The folder that NODE_CLOCKS names holds, for each node that is to be elsewhere in time, what a test wrote there:

- `NODE.enter`: a command, as a JSON list, that runs another one in a time namespace, which shifts its monotonic clock;
- `NODE.wall`: by how many seconds `time.time` is ahead. It is read each time, so a test sets a clock by writing it anew.

An agent knows its node by the name of its log; its worker, by what it inherits from the agent.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def _set_clocks(folder: Path) -> None:
    node = os.environ.get("NODE_CLOCKS_OF")
    if node is None and {"worker.agent.node", "worker.simulation.node"} & {*sys.orig_argv}:
        node = os.environ["NODE_CLOCKS_OF"] = Path("/proc/self/fd/1").readlink().stem
        if (enter := folder / f"{node}.enter").exists():
            command = [*json.loads(enter.read_text()), *sys.orig_argv]
            os.execvp(command[0], command)  # and this module is imported once more, on the other side
    if node is not None and (wall := folder / f"{node}.wall").exists():
        real = time.time
        time.time = lambda: real() + float(wall.read_text())


if "NODE_CLOCKS" in os.environ:
    _set_clocks(Path(os.environ["NODE_CLOCKS"]))
