"""The process whose memory is measured: a controller, and a day that is played to it.

Prints a line of JSON once all nodes run, and after each hour of the played time. Ends when it is done.
"""

from __future__ import annotations

# Locust comes first, as in its own command: importing it patches the standard library for gevent.
import locust  # isort: skip  # noqa: F401

import argparse
import gc
import json
import sys
import time
from pathlib import Path

import psutil

sys.path.append(str(Path(__file__).parents[2]))  # where the tests keep what they share

from played_nodes import Traffic
from played_run import PlayedRun, Troubles


def main() -> None:
    """Play the day that the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database", type=Path)
    for name in ("hours", "nodes", "endpoints", "step", "reporters"):
        parser.add_argument(name, type=int)
    options = parser.parse_args()
    with PlayedRun(
        options.database,
        nodes=options.nodes,
        traffic=Traffic(options.endpoints),
        step_s=options.step,
        reporters=options.reporters,
        troubles=Troubles(),
    ) as run:
        say(run, 0, 0.0)
        for hour in range(1, options.hours + 1):
            began_s = time.monotonic()
            run.hour()
            say(run, hour, time.monotonic() - began_s)


def say(run: PlayedRun, hour: int, took_s: float) -> None:
    """One line for the parent: what is held now."""
    gc.collect()
    rss_bytes = psutil.Process().memory_info().rss  # before the walk, which needs memory of its own
    ((pages,),) = run.store._db.execute("PRAGMA page_count")
    ((page_bytes,),) = run.store._db.execute("PRAGMA page_size")
    figures = {
        "hour": hour,
        "took_s": round(took_s, 3),
        "rss_bytes": rss_bytes,
        **run.held()._asdict(),
        "database_bytes": pages * page_bytes,
        "reports": run.collector.report_acks.accepted,
        "samples": run.samples,
        "lost": run.lost,
        "restarts": run.collector.agents.restarts,
    }
    print(json.dumps(figures), flush=True)  # noqa: T201  # the contract with the parent


if __name__ == "__main__":
    main()
