"""The process that thins: `python -P -m master.thinning`, started by the controller alone. It reads run.db, and writes nothing."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from pathlib import Path

from master.scenario import parse_threshold
from master.store import StoreReader
from master.thinning.frames import decode_job, frame, read_frame
from master.thinning.work import Thinner, ThinningOrders
from worker.parent_watch import end_with_parent, read_orders

NICENESS = 10
"""Fleet and load come first."""


def main() -> None:
    """Work on one job after the other until the controller closes the socket."""
    end_with_parent()
    orders = read_orders(ThinningOrders)
    os.nice(NICENESS)
    thinner = Thinner([parse_threshold(rule) for rule in orders.thresholds])
    with socket.socket(fileno=orders.descriptor) as end, end.makefile("rb") as jobs:
        end.setblocking(True)  # the controller's event loop has made it otherwise
        while (payload := read_frame(jobs.read)) is not None:
            # Opened anew for each: who has a file open for long keeps SQLite from starting its log anew.
            with closing(StoreReader.open(Path(orders.database))) as reader:
                reader.hold_snapshot()
                for part in thinner.parts(reader, decode_job(payload)):
                    end.sendall(frame(part))


if __name__ == "__main__":
    main()
