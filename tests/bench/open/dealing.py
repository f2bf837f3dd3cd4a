"""What the schedule of arrivals costs a worker and the controller: `python tests/bench/open/dealing.py`.

Nothing is sent or started: it is the time of the pure parts, on one thread, at 100 000 arrivals per second in all, some days into
the plan. Due times are those of one worker of 500, which asks for every 500th.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # where the benches keep what they share

from command import OUT, carry_out, number, open_console, whole_number
from machine import describe_all

from master.load.dealer import ArrivalDealer
from worker.load.arrivals.schedule import ArrivalSchedule
from worker.load.arrivals.stripes import Stripes
from worker.wire.messages import ArrivalDeal, encode
from worker.wire.work import ArrivalPlan, RateSegment

RATE_PER_S = 1e5
WEEK_S = 7 * 86400.0
WORKERS = 500
EPOCH_S = 2.0
CURVES = {
    "level": RateSegment(WEEK_S, RATE_PER_S, RATE_PER_S, 0),
    "ramp": RateSegment(WEEK_S, 0.0, RATE_PER_S, 0),
    "sine": RateSegment(WEEK_S, RATE_PER_S, RATE_PER_S, 0, amplitude_per_s=RATE_PER_S, period_s=3600.0),
    "Poisson": RateSegment(WEEK_S, RATE_PER_S, RATE_PER_S, 0, poisson=True),
}
FLEETS = ((500, 4), (500, 20), (2000, 4), (2000, 50))
"""Workers, and users of each."""


@dataclass(frozen=True)
class DueTimes:
    """What one worker of 500 pays for a curve."""

    curve: str
    due_us: float
    """To find a due time."""
    taken_us: float
    """To take an arrival from what was dealt, its due time included."""
    counted_us: float
    """To find how many are due before a time."""


@dataclass(frozen=True)
class Deals:
    """What the controller pays for an epoch."""

    workers: int
    users: int
    anew_us: float
    """Where users have moved."""
    again_us: float
    """Where they have not."""
    encoded_us: float
    """To encode the messages."""
    encoded_bytes: int
    """All messages of an epoch."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the tables, write the document. Returns the exit status."""
    options = _parse(arguments)
    return carry_out(lambda: _bench(options), options.out)


def _bench(options: argparse.Namespace) -> int:
    started = datetime.now(UTC)
    due_times = [_due_times(name, options.rounds) for name in CURVES]
    deals = [_deals(workers, users, options.rounds) for workers, users in FLEETS]
    document = {
        "schema": "piswarm/bench/dealing/1",
        "started": started.isoformat(timespec="seconds"),
        "machine": describe_all(),
        "rate_per_s": RATE_PER_S,
        "due_times": [asdict(each) for each in due_times],
        "deals": [asdict(each) for each in deals],
    }
    options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    console = open_console()
    console.print("one worker of 500, µs for each arrival")
    console.print(f"{'':10}{'due time':>12}{'taken':>12}{'number due':>12}")
    for row in due_times:
        values = (row.due_us, row.taken_us, row.counted_us)
        console.print(f"{row.curve:10}" + "".join(f"{number(value, '.2f'):>12}" for value in values))
    console.print("controller, µs for each epoch of 2 s")
    console.print(f"{'workers × users':20}{'users moved':>12}{'as before':>12}{'encoded':>12}{'kB':>8}")
    for deal in deals:
        values = (deal.anew_us, deal.again_us, deal.encoded_us)
        cells = "".join(f"{number(value, '.0f'):>12}" for value in values)
        console.print(f"{f'{deal.workers} × {deal.users}':20}{cells}{deal.encoded_bytes / 1000:8.0f}")
    return 0


def _due_times(name: str, rounds: int) -> DueTimes:
    plan = ArrivalPlan([CURVES[name]], 1)
    schedule, stripes = ArrivalSchedule(plan), Stripes(ArrivalSchedule(plan))
    first = schedule.total // 3
    stripes.accept(ArrivalDeal(first, schedule.total, 0.0, 0, 4 * WORKERS, {"Visitor": [7, 507, 1007, 1507]}))
    wanted, moments = itertools.count(first, WORKERS), itertools.count(1, 7919)
    return DueTimes(
        name,
        _us(lambda: schedule.due_s(next(wanted)), 2000, rounds),
        _us(stripes.next, 2000, rounds),
        _us(lambda: schedule.count_before(next(moments) % WEEK_S + 0.123), 200, rounds),
    )


def _deals(workers: int, users: int, rounds: int) -> Deals:
    schedule = ArrivalSchedule(ArrivalPlan([CURVES["level"]], 1))
    dealer, epochs = ArrivalDealer(schedule), itertools.count()
    placed = {f"pi{worker:04}_0": {"Reader": users - users // 4, "Writer": users // 4} for worker in range(workers)}

    def again() -> list[object]:
        return list(dealer.deal(next(epochs) * EPOCH_S, placed).values())

    def anew() -> None:
        placed["pi0007_0"]["Reader"] += 1 if next(epochs) % 2 else -1
        again()

    again()
    deals = again()
    return Deals(
        workers,
        users,
        _us(anew, 5, rounds),
        _us(again, 20, rounds),
        _us(lambda: [encode(["arrivals", deal, "pi0007_0"]) for deal in deals], 5, rounds),
        sum(len(encode(["arrivals", deal, "pi0007_0"])) for deal in deals),
    )


def _us(call: Callable[[], object], times: int, rounds: int) -> float:
    """The least CPU time of one call in any round: what others do on the machine only adds to it."""
    found = []
    for _ in range(rounds):
        begun_s = time.process_time()
        for _ in range(times):
            call()
        found.append((time.process_time() - begun_s) / times * 1e6)
    return min(found)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python tests/bench/open/dealing.py",
        description="What due times cost a worker, and dealing arrivals the controller.",
        epilog="exit status: 0 measured; 1 failed; 2 wrong input; 4 interrupted",
    )
    parser.add_argument("--rounds", type=whole_number, default=5, metavar="N", help="(default: %(default)s)")
    parser.add_argument(
        "--out", type=Path, default=OUT / "dealing.json", help="JSON file to write (default: bench/dealing.json)"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
