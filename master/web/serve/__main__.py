"""The page of one run: `python -m master.web.serve`, with PageOrders on standard input. It says its URL, and ends when that closes."""

from __future__ import annotations

import sys
from pathlib import Path

from master.errors import InputError
from master.web.safety.hosts import OwnNames
from master.web.serve.orders import PageOrders
from master.web.serve.server import listen, serve
from master.web.serve.settings import ServeSettings
from worker.parent_watch import read_orders


def main() -> int:
    """Serve until the run has ended."""
    orders = read_orders(PageOrders)
    try:
        listener = listen("127.0.0.1", orders.port)
    except InputError as error:
        print(f"{error.message}", flush=True)  # noqa: T201  # what the run reads
        return 1
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)  # noqa: T201  # what the run reads
    runs = Path(orders.runs)
    serve(ServeSettings(runs, runs, OwnNames()), listener, None, None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
