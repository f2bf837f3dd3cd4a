"""The process that is measured: a controller, and a run at full traffic that is played to it, into a run directory.

Prints a line of JSON after each hour of the played time. Ends when the run's files are written.
"""

from __future__ import annotations

# Locust comes first, as in its own command: importing it patches the standard library for gevent.
import locust  # isort: skip  # noqa: F401

import argparse
import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))  # where the tests keep what they share

from full_day import HOUR_S, FullDay


def main() -> None:
    """Play the run that the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    for name in ("hours", "nodes", "endpoints"):
        parser.add_argument(name, type=int)
    parser.add_argument("--whole", action="store_true", help="without thinning")
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    with FullDay(
        options.directory,
        nodes=options.nodes,
        endpoints=options.endpoints,
        hours=options.hours,
        thins=not options.whole,
    ) as run:
        for hour in range(1, options.hours + 1):
            cpu_s = longest_s = 0.0
            for _ in range(HOUR_S):
                took_s = run.second()
                run.wait()
                cpu_s, longest_s = cpu_s + took_s, max(longest_s, took_s)
            database_bytes = sum(path.stat().st_size for path in options.directory.glob("run.db*"))
            figures = {
                "hour": hour,
                "second_ms": round(1000 * cpu_s / HOUR_S, 3),
                "longest_ms": round(1000 * longest_s, 3),
                "database_bytes": database_bytes,
            }
            print(json.dumps(figures), flush=True)  # noqa: T201  # the contract with the parent
        result = run.finish()
    print(json.dumps({"verdict": result.verdict, "reason": result.reason}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
