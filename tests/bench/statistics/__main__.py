"""How often comparisons and soaks raise a false alarm, and how often they find what got slower, or leaks."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

sys.path.append(str(Path(__file__).parents[1]))  # where the benches keep what they share
sys.path.append(str(Path(__file__).parents[2]))  # where the tests keep what they share

from command import OUT, carry_out, open_console, progress_on, whole_number
from drifting_fleets import FleetRates, kinds, measure_fleets
from real_pairs import STEADY_S, RealPair, measure_real_pairs
from rich.table import Table
from simulated_pairs import CASES, Rates, measure_pairs

SCHEMA = "piswarm/bench/statistics/1"
MAX_ALARMS = 0.05
MIN_FOUND = 0.95


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the tables, write the document. Returns the exit status: 1 where a limit is not kept."""
    parser = argparse.ArgumentParser(prog="python tests/bench/statistics", description=__doc__)
    parser.add_argument("--pairs", type=whole_number, default=200, help="simulated pairs of each kind (default: 200)")
    parser.add_argument(
        "--real-pairs", type=int, default=3, help="real pairs of each kind, 4 minutes each (default: 3)"
    )
    parser.add_argument("--fleets", type=int, default=20, help="simulated soaks of each kind (default: 20)")
    parser.add_argument("--out", type=Path, default=OUT / "statistics.json", help="the document (default: %(default)s)")
    options = parser.parse_args(arguments)
    return carry_out(lambda: _bench(options.pairs, options.real_pairs, options.fleets, options.out), options.out)


def _bench(pairs: int, real_pairs: int, fleets: int, out: Path) -> int:
    console = open_console()
    with progress_on(open_console(stderr=True)) as progress:
        task = progress.add_task("simulated pairs", total=len(CASES) + 2 * real_pairs + len(kinds()))
        rates = []
        for found in measure_pairs(CASES, pairs):
            rates.append(found)
            progress.advance(task)
        progress.update(task, description="soaks")
        soaks = []
        for fleet in measure_fleets(fleets) if fleets else ():
            soaks.append(fleet)
            progress.advance(task)
        progress.update(task, description="real pairs")
        real = []
        for pair in measure_real_pairs(real_pairs):
            real.append(pair)
            progress.advance(task)
    console.print(_simulated_table(rates))
    if soaks:
        console.print(_soak_table(soaks))
    if real:
        console.print(_real_table(real))
    document = {"schema": SCHEMA, "simulated": rates, "real": real, "soaks": soaks}
    out.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
    broken = [*_broken(rates), *_broken_by_real(real), *_broken_by_soaks(soaks)]
    for line in broken:
        console.print(f"not kept: {line}", highlight=False)
    return 1 if broken else 0


def _simulated_table(rates: Sequence[Rates]) -> Table:
    table = Table(title=f"Comparing simulated runs of 12 endpoints, {rates[0].pairs} pairs of each kind", box=None)
    for heading in (
        "steady s",
        "autocorrelation",
        "false alarms, no floors",
        "false alarms",
        "one of 12 is 10 % slower: named",
        "all are 10 % slower: found",
    ):
        table.add_column(heading, justify="right")
    for row in rates:
        shares = (row.alarms, row.alarms_with_floors, row.one_found, row.all_found)
        table.add_row(
            str(row.case.seconds), f"{row.case.autocorrelation:g}", *(f"{100 * share:.1f} %" for share in shares)
        )
    return table


def _real_table(pairs: Sequence[RealPair]) -> Table:
    table = Table(title=f"Comparing real runs of {STEADY_S} steady seconds", box=None)
    for heading in ("slower by", "outcome", "reason"):
        table.add_column(heading, overflow="fold")
    for pair in pairs:
        table.add_row(f"{100 * (pair.factor - 1):.0f} %", pair.comparison.outcome, pair.comparison.reason)
    return table


def _soak_table(fleets: Sequence[FleetRates]) -> Table:
    table = Table(title=f"Soaks of simulated fleets, {fleets[0].fleets} of each kind", box=None)
    table.add_column("memory of the nodes", overflow="fold")
    for heading in ("hours", "nodes", "leak found", "fleets with a false alarm", "detectable MB/day"):
        table.add_column(heading, justify="right")
    for row in fleets:
        named = f"{100 * row.named:.1f} %" if row.planted else "–"
        wrong, detectable = f"{100 * row.wrong:.1f} %", f"{row.detectable_mb_per_day:.3g}"
        table.add_row(row.kind, f"{row.hours:g}", str(row.nodes), named, wrong, detectable)
    return table


def _broken_by_soaks(fleets: Sequence[FleetRates]) -> list[str]:
    found = []
    for row in fleets:
        slack = 2 * (MAX_ALARMS * (1 - MAX_ALARMS) / row.fleets) ** 0.5
        if row.wrong > MAX_ALARMS + slack:
            found.append(
                f"{row.kind}, {row.hours:g} h: a false alarm in {100 * row.wrong:.1f} % of fleets, at most 5 %"
            )
        if row.planted and row.named < MIN_FOUND - slack:
            found.append(f"{row.kind}: found in {100 * row.named:.1f} %, at least 95 %")
    return found


def _broken(rates: Sequence[Rates]) -> list[str]:
    """The limits that were not kept, but for what chance does to so many pairs."""
    found = []
    for row in rates:
        slack = 2 * (MAX_ALARMS * (1 - MAX_ALARMS) / row.pairs) ** 0.5
        name = f"{row.case.seconds} s, autocorrelation {row.case.autocorrelation:g}"
        for word, share in (("false alarms without floors", row.alarms), ("false alarms", row.alarms_with_floors)):
            if share > MAX_ALARMS + slack:
                found.append(f"{name}: {word} {100 * share:.1f} %, at most 5 %")
        for word, share in (("one slower endpoint", row.one_found), ("a slower target", row.all_found)):
            if row.case.long_enough and share < MIN_FOUND - slack:
                found.append(f"{name}: {word} found in {100 * share:.1f} %, at least 95 %")
    return found


def _broken_by_real(pairs: Sequence[RealPair]) -> list[str]:
    """Of few real pairs none may be wrong; what can't be compared, since the machine was too busy, says nothing."""
    return [
        f"a real pair, slower by {100 * (pair.factor - 1):.0f} %, is {pair.comparison.outcome}"
        for pair in pairs
        if pair.comparison.outcome not in {"unknown", "same" if pair.factor == 1 else "worse"}
    ]


if __name__ == "__main__":
    sys.exit(main())
