"""The agent of a real node, as its unit starts it: `python -m worker.service DIRECTORY`, which is /etc/piswarm on a node.

It knows itself and its controller from `node.json` and `keys` there, says hello until the controller answers, and for ever again
after that one has gone. It ends with 0 on SIGTERM, and with 1 and one line when the directory is not as it must be.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import zmq

from worker.agent import Agent, serve
from worker.curve import end_context
from worker.keys import read_keys
from worker.priority import raised
from worker.sensors import MachineSensors
from worker.settings import KEYS, read_settings
from worker.wakeup import woken_by_signals
from worker.watchdog import Watchdog


def main() -> int:
    """Answer for the node whose directory is named, until SIGTERM."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python3 -m worker.service DIRECTORY\n")
        return 2
    directory = Path(sys.argv[1])
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    try:
        settings = read_settings(directory)
        keys = read_keys(directory / KEYS)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    raised()  # before ZeroMQ starts its threads, so that they have it too
    sensors = MachineSensors()
    context = zmq.Context()
    watchdog = Watchdog(os.environ)
    status = f"node {settings.node}, controller {settings.controller.address}"

    def over() -> bool:
        watchdog.look(
            time.monotonic(), status
        )  # asked at each turn of the loop, and no turn takes longer than a second
        return bool(ended)

    with woken_by_signals() as woken:
        while not over():
            agent = Agent(settings.node, settings.controller, keys, sensors, context=context)
            serve([agent], until=over, woken=woken)
    end_context(context)
    return 0


if __name__ == "__main__":
    sys.exit(main())
