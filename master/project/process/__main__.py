"""The project's process: `python -P -m master.project.process`, started by the controller alone."""

from __future__ import annotations

import locust  # noqa: F401  # first: it patches the standard library for gevent

# isort: split
import logging
import os
import socket
from pathlib import Path
from typing import NoReturn

from gevent import monkey

from master.errors import InputError
from master.project.checks.finding import MEND
from master.project.process.channel import Channel, framed
from master.project.process.hang_watch import HangWatch
from master.project.process.inspection import inspect
from master.project.process.master_side import MasterSide
from master.project.process.messages import Importing, Inspected, ProcessOrders, Refused, ToProcess, decode_to_process
from master.scenario import LocustProject
from worker.load.process.output import stamp_output
from worker.parent_watch import end_with_parent, read_orders
from worker.secret_values import keep_secret, without_secrets


def main() -> None:
    """Import the project, say what is in it, and stay until the controller closes the socket."""
    end_with_parent()
    native = monkey.get_original("_thread", "start_new_thread"), monkey.get_original("time", "sleep")
    output = Path("/proc/self/fd/1").readlink()
    orders = read_orders(ProcessOrders, *native)
    secrets = {name: os.environ[name] for name in orders.environment if name in os.environ}
    stamp_output(secrets, "project")
    keep_secret(secrets)
    logging.getLogger().setLevel(logging.INFO)  # as Locust's command does, for what a locustfile has to say
    end = socket.socket(fileno=orders.descriptor)
    channel = Channel[ToProcess](end, decode_to_process)
    watch = HangWatch()
    project = LocustProject(Path(orders.root), tuple(map(Path, orders.locustfiles)), orders.whole)
    if project.whole:
        os.chdir(project.root)

    def refuse_late(place: str) -> NoReturn:
        where = f" at {place}" if place else ""
        message = f"its import hangs: after {orders.import_limit_s:g} s it is still{where}"
        os.write(orders.descriptor, framed(Refused(f"{orders.locustfiles[0]}: {message}", MEND)))
        os._exit(1)

    channel.send(Importing())
    try:
        with watch.limit(orders.import_limit_s, refuse_late):
            imported, facts = inspect(
                project,
                real_nodes=orders.real_nodes,
                arguments=orders.arguments,
                environment=orders.environment,
                command=orders.command,
            )
    except InputError as error:
        channel.send(Refused(without_secrets(error.message), error.hint))
        return
    channel.send(Inspected(facts))
    side = MasterSide(channel, imported, output)
    try:
        side.run()
    except SystemExit as error:  # of a greenlet
        side.note_exit(error)
        raise


if __name__ == "__main__":
    main()
