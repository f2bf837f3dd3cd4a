"""What a master costs with hundreds of workers, ours and Locust's own in turn: `python tests/bench/master`."""

from __future__ import annotations

import argparse
import json
import resource
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import zmq

sys.path.append(str(Path(__file__).parents[1]))  # where the benches keep what they share

from children import Children
from command import (
    EXIT_FAILED,
    EXIT_INPUT,
    OUT,
    carry_out,
    complain,
    duration_s,
    open_console,
    progress_on,
    whole_number,
)
from figures import row
from machine import Cores, choose_cores, describe
from rounds import MASTERS, Bench, Round, most_workers, order
from show import NAMES, document, print_table


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the document. Returns the exit status."""
    options = _parse(arguments)
    cores = choose_cores()
    if cores is None:
        print("skipped: two cores are needed, one for the master and one for its workers")  # noqa: T201
        return 0
    most = most_workers(_allow_descriptors(), zmq.Context.instance().get(zmq.SOCKET_LIMIT))
    if max(options.workers) > most:
        advice = "raise the limit on open files (ulimit -Hn), or ask for fewer with --workers"
        return complain(f"{max(options.workers)} workers don't fit, at most {most} do: {advice}", EXIT_INPUT)
    return carry_out(lambda: _bench(cores, options), options.out)


def _bench(cores: Cores, options: argparse.Namespace) -> int:
    started = datetime.now(UTC)
    with Children() as children:
        rounds = _measure(Bench(cores, options.seconds, children), options.workers, options.rounds)
    rows = [row(workers, master, rounds) for workers in options.workers for master in MASTERS]
    versions = {"stock": f"Locust {version('locust')}", "ours": f"piswarm {version('piswarm')}"}
    here = describe(cores, measured="master", other="peers")
    console = open_console()
    print_table(console, rows=rows, machine=here, versions=versions, rounds=options.rounds, window_s=options.seconds)
    result = document(
        started=started, machine=here, versions=versions, window_s=options.seconds, rows=rows, rounds=rounds
    )
    options.out.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    console.print(f"written to {options.out}", soft_wrap=True)
    return EXIT_FAILED if any(each.error for each in rounds) else 0


def _measure(bench: Bench, workers: Sequence[int], rounds: int) -> list[Round]:
    """All rounds, with a line on stderr that says which one is on."""
    console = open_console(stderr=True)
    done: list[Round] = []
    with progress_on(console) as bar:
        task = bar.add_task("", total=rounds * len(workers) * len(MASTERS))
        for number, count, master in order(workers, rounds):
            words = f"round {number + 1} of {rounds}  {count:5} workers  {NAMES[master]:7}"
            bar.update(task, description=words)
            done.append(bench.measure(number, count, master))
            bar.advance(task)
            if not console.is_terminal or done[-1].error:
                shares = (f"{name} {window.cpu_percent:.1f} %" for name, window in done[-1].windows.items())
                console.print(f"{words}  {done[-1].error or ', '.join(shares)}", markup=False, soft_wrap=True)
    return done


def _allow_descriptors() -> int:
    """Let this process and those it starts have all the open files there may be; how many these are."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python tests/bench/master",
        description="How much CPU a master takes on one core with so many workers, idle and loaded: Locust's own, and this project's\n"
        "in turn. One process on another core plays all workers. A round of a master takes 3 windows and about 20 s.",
        epilog="example: python tests/bench/master --workers 500 --rounds 1 --seconds 5 --out /tmp/master.json\n\n"
        "exit status: 0 measured, or skipped for want of a second core; 1 a master failed; 2 wrong input; 4 interrupted",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--workers",
        type=_numbers,
        default=[500, 1000, 2000],
        metavar="N,N,…",
        help="how many workers (default: 500,1000,2000)",
    )
    parser.add_argument(
        "--rounds", type=whole_number, default=3, metavar="N", help="rounds of each master (default: %(default)s)"
    )
    parser.add_argument(
        "--seconds", type=duration_s, default=10.0, metavar="S", help="length of a window (default: %(default)g)"
    )
    parser.add_argument(
        "--out", type=Path, default=OUT / "master.json", help="JSON file to write (default: bench/master.json)"
    )
    return parser.parse_args(arguments)


def _numbers(text: str) -> list[int]:
    return sorted({whole_number(part) for part in text.split(",")})


if __name__ == "__main__":
    sys.exit(main())
