"""The agent of a real node, as its unit starts it: `python -m worker.agent.service DIRECTORY`, which is /etc/piswarm on a node.

It knows itself and its controller from `node.json` and `keys` there, waits for runs, and has workers while there is one. It ends
with 0 on SIGTERM, and with 1 and one line when the directory is not as it must be.
"""

from __future__ import annotations

import os
import sys
import time

import zmq

from worker.agent.agent import Agent, serve
from worker.agent.assigned_workers import AssignedWorkers
from worker.agent.calibration import Calibration, calibrate, state_folder
from worker.agent.keys import read_keys
from worker.agent.priority import raise_priority
from worker.agent.settings import DIRECTORY_VARIABLE, KEYS, find_directory, read_settings
from worker.agent.signal_pipe import catch_sigterm, open_signal_pipe
from worker.agent.supervisor import Supervisor
from worker.agent.watchdog import Watchdog
from worker.printable import printable
from worker.project.cache import ProjectCache
from worker.streams import guard_streams, set_write_timeout
from worker.telemetry.sensors import MachineSensors
from worker.wire.curve import end_context
from worker.wire.messages import LoggedLine

OUTPUT_TIMEOUT_S = 0.5
"""Longest wait for the journal to take a line."""
IN_RUN = "in run"
"""The beginning of its status line while the node is part of a run."""


def _print_line(line: LoggedLine) -> None:
    """Have it in the node's own journal, where it can be read without the controller."""
    sys.stdout.write(f"{printable(line.worker)} | {printable(line.text)}\n")
    sys.stdout.flush()


def main() -> int:
    """Serve as the agent of the node whose directory is given, until SIGTERM."""
    directory = find_directory(sys.argv[1:], os.environ)
    if directory is None:
        sys.stderr.write(f"usage: python3 -m worker.agent.service DIRECTORY (or {DIRECTORY_VARIABLE})\n")
        return 2
    terminated = catch_sigterm()
    guard_streams()
    set_write_timeout(OUTPUT_TIMEOUT_S)
    try:
        settings = read_settings(directory)
        keys = read_keys(directory / KEYS)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    priority = raise_priority()  # before ZeroMQ starts its threads, so that they have it too
    sensors = MachineSensors()
    folder = state_folder(os.environ)
    cache = ProjectCache.of_node(folder)
    cache.clean()
    calibration = Calibration(lambda: calibrate(sensors, folder), time.monotonic())
    workers = AssignedWorkers(settings.node, settings.controller, keys, Supervisor(priority, _print_line), cache)
    context = zmq.Context()
    agent = Agent(settings.node, settings.controller, keys, sensors, context=context, workers=workers, stays=True)
    watchdog = Watchdog(os.environ)
    waits = f"waits for a run of {settings.controller.address}"

    def over() -> bool:
        run = workers.assignment.work.run if workers.assignment is not None else None
        # Asked at each turn of the loop, and no turn takes longer than a second, or than the end of workers does.
        now_s = time.monotonic()
        watchdog.notify(now_s, waits if run is None else f"{IN_RUN} {run} of {settings.controller.address}")
        if run is None and not agent.in_run:
            calibration.poll(now_s)
        return terminated()

    with open_signal_pipe() as wakeup_fd:
        serve([agent], until=over, wakeup_fd=wakeup_fd)
    end_context(context)
    return 0


if __name__ == "__main__":
    sys.exit(main())
