"""The process of one worker, started by its node's agent: `python -m worker.load.process`, with WorkerOrders on standard input."""

from __future__ import annotations

import sys

from worker.load.process.workers import ProcessWorkers, begin
from worker.parent_watch import end_with_parent
from worker.wire.orders import WorkerOrders


def main() -> int:
    """Run the worker by the orders on standard input, until the controller ends the run."""
    end_with_parent()
    orders = begin(WorkerOrders)
    workers = ProcessWorkers(orders.endpoint, orders.work, 1)
    workers.start(orders.worker)
    workers.run()
    workers.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
