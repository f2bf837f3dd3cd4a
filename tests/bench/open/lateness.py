"""How late a worker starts arrivals, and what one costs it: `python tests/bench/open/lateness.py`.

One worker on one core, nginx on another. In turn it is offered arrivals at a rate, and makes as many requests as in the closed
model, with constant_throughput. CPU time is what the kernel's scheduler says that the process has run, to the nanosecond.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # where the benches keep what they share
sys.path.append(str(Path(__file__).parents[2]))  # what all tests do
sys.path.append(str(Path(__file__).parents[1] / "http"))  # nginx

from cases import CASES
from children import Children
from command import OUT, carry_out, duration_s, number, open_console, whole_number
from machine import Cores, choose_cores, describe
from server import Nginx, find_nginx
from worker_process import WorkerProcess, steady

from worker.load.histogram import Histogram
from worker.wire.work import ArrivalPlan

WARM_UP_S = 1.0
PREPARED_S = 2.5
"""Users run for so long before the first arrival, as in a run: a worker freezes its garbage collector when they have come."""
DEALT_S = 2.0
"""Plan time of one deal, as a controller has it."""
PERCENTS = (50.0, 99.0, 99.9)
VISITORS = """
from locust import task
from worker.http import HttpUser
from worker.pacing import constant_throughput

class Visitor(HttpUser):
    wait_time = constant_throughput({per_user})

    @task
    def ask(self):
        self.client.get("{path}")
"""


@dataclass(frozen=True)
class Window:
    """What a worker did in one window."""

    model: str
    requests: int
    cpu_us: float
    """CPU time for each request."""
    lag_ms: list[float | None]
    """How late the event loop's probes were, at PERCENTS: what the machine itself does to everything on that core."""
    lateness_ms: list[float | None]
    """Of arrivals, at PERCENTS, and the longest; none in the closed model."""
    missed: int = 0
    late: int = 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the document. Returns the exit status."""
    options = _parse(arguments)
    cores, program = choose_cores(), find_nginx()
    if cores is None or program is None:
        print("skipped: two cores are needed, and nginx (on Debian: apt install nginx-light)")  # noqa: T201  # the operator reads it
        return 0
    return carry_out(lambda: _bench(program, cores, options), options.out)


def _bench(program: str, cores: Cores, options: argparse.Namespace) -> int:
    started = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="piswarm-bench-") as name, Children() as children:
        nginx = Nginx(program, cores.other, Path(name), children)
        windows = [
            _measure(Path(name), cores, nginx, options, model)
            for _ in range(options.rounds)
            for model in ("open", "closed")
        ]
    document = {
        "schema": "piswarm/bench/lateness/1",
        "started": started.isoformat(timespec="seconds"),
        "machine": describe(cores, measured="worker", other="nginx"),
        "rate_per_s": options.rate,
        "users": options.users,
        "seconds": options.seconds,
        "windows": [asdict(each) for each in windows],
    }
    options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    _show(windows, options)
    return 0


def _measure(directory: Path, cores: Cores, nginx: Nginx, options: argparse.Namespace, model: str) -> Window:
    rate: int = options.rate
    locustfile = directory / "visitors.py"
    locustfile.write_text(VISITORS.format(per_user=rate / options.users, path=CASES[0].path), encoding="utf-8")
    seconds = WARM_UP_S + options.seconds
    plan = steady(rate, seconds) if model == "open" else None
    with WorkerProcess(locustfile, ("Visitor",), nginx.url, plan, core=cores.measured) as worker:
        with contextlib.suppress(PermissionError):
            # As root: no neighbour is to disturb it.
            os.sched_setscheduler(worker.process.pid, os.SCHED_RR, os.sched_param(1))
        worker.join()
        worker.run_users({"Visitor": options.users})
        worker.begin(in_s=PREPARED_S)
        if plan is not None:
            _deal(worker, plan, options.users)
        worker.hear_until_plan(WARM_UP_S)
        served, ran_s = nginx.served(), _ran_s(worker.process.pid)
        worker.hear_until_plan(seconds)
        requests, cpu_s = nginx.served() - served, _ran_s(worker.process.pid) - ran_s
        worker.stop()
    arrivals, lag = worker.arrivals(), Histogram()
    for report in worker.reports:
        for second in report.seconds:
            lag.merge(Histogram(second.lag_buckets, second.lag_max_ms))
    return Window(
        model,
        requests,
        1e6 * cpu_s / max(1, requests),
        lag.percentiles(PERCENTS),
        [] if plan is None else [*arrivals.lateness.percentiles(PERCENTS), arrivals.lateness.max_ms],
        arrivals.missed,
        arrivals.late,
    )


def _deal(worker: WorkerProcess, plan: ArrivalPlan, users: int) -> None:
    segment = plan.segments[0]
    total = round(segment.from_per_s * segment.duration_s)
    step = max(1, round(segment.from_per_s * DEALT_S))
    for first in range(0, total, step):
        worker.deal(first, min(total, first + step), {"Visitor": list(range(users))})


def _ran_s(process: int) -> float:
    threads = Path(f"/proc/{process}/task").iterdir()
    return sum(int((thread / "schedstat").read_text(encoding="ascii").split()[0]) for thread in threads) / 1e9


def _show(windows: Sequence[Window], options: argparse.Namespace) -> None:
    console = open_console()
    opened = [each for each in windows if each.model == "open"]
    console.print(
        f"{options.rate}/s on one core, {options.users} users, {len(opened)} × {options.seconds:g} s; medians of the rounds"
    )
    rows: list[tuple[str, list[float | None]]] = [
        ("start later than due, ms", _median([each.lateness_ms for each in opened])),
        ("event loop's lag, ms", _median([each.lag_ms for each in opened])),
    ]
    console.print(f"{'':26}{'p50':>9}{'p99':>9}{'p99.9':>9}{'max':>9}")
    for name, values in rows:
        console.print(f"{name:26}" + "".join(f"{number(value, '.3f'):>9}" for value in values))
    for model in ("open", "closed"):
        costs = [each.cpu_us for each in windows if each.model == model]
        console.print(f"CPU of a request, {model:9}{statistics.median(costs):9.1f} µs")
    console.print(f"missed {sum(each.missed for each in opened)}, late {sum(each.late for each in opened)}")


def _median(rows: Sequence[Sequence[float | None]]) -> list[float | None]:
    return [
        statistics.median(found) if (found := [value for value in column if value is not None]) else None
        for column in zip(*rows, strict=True)
    ]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python tests/bench/open/lateness.py",
        description="How late one worker on one core starts arrivals of the open model, and what one costs beside the closed model.",
        epilog="exit status: 0 measured, or skipped for want of nginx or a second core; 1 failed; 2 wrong input; 4 interrupted",
    )
    parser.add_argument(
        "--rate", type=whole_number, default=2000, metavar="R", help="per second (default: %(default)s)"
    )
    parser.add_argument("--users", type=whole_number, default=50, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--rounds", type=whole_number, default=5, metavar="N", help="(default: %(default)s)")
    parser.add_argument(
        "--seconds", type=duration_s, default=5.0, metavar="S", help="measured in each round (default: %(default)g)"
    )
    parser.add_argument(
        "--out", type=Path, default=OUT / "lateness.json", help="JSON file to write (default: bench/lateness.json)"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
