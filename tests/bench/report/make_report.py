"""The process that is measured: makes the report of a stored run. Prints a line of JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from master.analysis.runs import StoredRun
from master.report.html import write_report


def main() -> None:
    """Make the report of the run directory in the first argument, at the path in the second."""
    run = StoredRun.open(Path(sys.argv[1]))
    target = Path(sys.argv[2])
    began_s = time.monotonic()
    with run.store() as store:
        faults = write_report(run.result, store, run.directory.scenario.read_text(encoding="utf-8"), target)
    took_s = time.monotonic() - began_s
    used = resource.getrusage(resource.RUSAGE_SELF)
    figures = {
        "made_s": round(took_s, 3),
        "cpu_s": round(used.ru_utime + used.ru_stime, 3),
        "peak_rss_bytes": 1024 * used.ru_maxrss,
        "report_bytes": target.stat().st_size,
        "faults": faults,
    }
    print(json.dumps(figures))  # noqa: T201  # the contract with the parent


if __name__ == "__main__":
    main()
