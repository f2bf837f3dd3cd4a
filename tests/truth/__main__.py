"""The proof of the central claim, that the figures of a run are true or it says that they are not: `python tests/truth`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # where the tests keep what they share

from open_cases import OPEN_CASES, OpenCase
from open_rows import HEADINGS, OpenRow, open_cells, open_table, show_open
from terminal import EXIT_ABORTED, EXIT_FAILED, EXIT_INPUT, complain, end_in_order, open_console
from truth_cases import CASES, Case
from truth_processes import choose_cores
from truth_rows import Row, cells, show, table

LOG_WIDTH = 200
"""Columns of output that goes to a file or a log, which has no width of its own."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Show each case, then print the table. Returns the exit status."""
    options = _parse(arguments)
    end_in_order()
    known = [case.name for case in (*CASES, *OPEN_CASES)]
    if unknown := sorted(set(options.only or []) - set(known)):
        return complain("truth", f"there is no case {', '.join(unknown)}; choose from {', '.join(known)}", EXIT_INPUT)
    cores = choose_cores()
    if cores is None:
        return complain("truth", "it takes two cores: the target must not be what is starved", EXIT_INPUT)
    wanted = [case for case in CASES if options.only is None or case.name in options.only]
    wanted_open = [case for case in OPEN_CASES if options.only is None or case.name in options.only]
    try:
        rows = [_show(case, cores, verbose=options.verbose) for case in wanted]
        open_rows = [_show_open(case, cores, verbose=options.verbose) for case in wanted_open]
    except KeyboardInterrupt:
        return complain("truth", "interrupted", EXIT_ABORTED)
    console = open_console(LOG_WIDTH)
    for shown in (table(rows) if rows else None, open_table(open_rows) if open_rows else None):
        if shown is not None:
            console.print(shown)
    faults = [row.fault for row in rows if not row.case.known] + [row.fault for row in open_rows]
    return EXIT_FAILED if any(faults) else 0


def _show(case: Case, cores: tuple[int, int], *, verbose: bool) -> Row:
    """Show one case, with its attempts on stderr."""
    console = open_console(LOG_WIDTH, stderr=True)
    console.print(f"{case.name}: {case.title}", markup=False)
    for row in show(case, cores):
        _, verdict, apart, truth, measured, _, off, noticed, _ = cells(row)
        console.print(
            f"  {verdict}, {apart} apart, truth {truth}, measured {measured} ms, {off}"
            f"{noticed and ', shown and ended after '}{noticed}  ({row.took_s:.0f} s)",
            markup=False,
        )
        if row.fault or row.spoilt:
            console.print(f"  {row.spoilt and 'spoilt: '}{row.spoilt or row.fault}", markup=False, soft_wrap=True)
        if verbose:
            figures = row.figures
            console.print(
                f"  {'; '.join(map(str, figures.compared))}\n  late {figures.target_late:.3%}, found {figures.found:.2%},"
                f" off seconds {figures.seconds_off}, hanging {figures.hanging} of {figures.result['requests']['unanswered']} told,"
                f" unfit {dict(figures.unfit_nodes)}, {dict(figures.reasons)}\n  "
                + "; ".join(f"{each['check']} {each['observed_text']}" for each in figures.result["validity"]),
                markup=False,
                soft_wrap=True,
            )
    return row


def _show_open(case: OpenCase, cores: tuple[int, int], *, verbose: bool) -> OpenRow:
    """Show one case of the open model, with its attempts on stderr."""
    console = open_console(LOG_WIDTH, stderr=True)
    console.print(f"{case.name}: {case.title}", markup=False)
    for row in show_open(case, cores):
        told = ", ".join(
            f"{heading} {cell}" for heading, cell in list(zip(HEADINGS, open_cells(row), strict=False))[1:]
        )
        console.print(f"  {told}  ({row.took_s:.0f} s)", markup=False, soft_wrap=True)
        if row.fault or row.spoilt:
            console.print(f"  {row.spoilt and 'spoilt: '}{row.spoilt or row.fault}", markup=False, soft_wrap=True)
        if verbose:
            seen = row.seen
            compared = "; ".join(map(str, seen.figures.compared)) if seen.figures else "no latencies to compare"
            console.print(f"  {compared}\n  {seen.load}, broken {seen.broken}", markup=False, soft_wrap=True)
    return row


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python tests/truth",
        description="Runs piswarm against a target that knows its own service times, with generators fit and unfit: figures must\n"
        "be true within 1 % + 0.2 ms, or be called INVALID, or be set apart.",
        epilog="example: python tests/truth --only healthy,stutter\n\n"
        "exit status: 0 every case holds, but for those known to lie; 1 one does not; 2 wrong input, or only one core; 4 interrupted",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", type=_names, metavar="A,B", help="these cases alone")
    parser.add_argument("--verbose", action="store_true", help="print every figure of each attempt")
    return parser.parse_args(arguments)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


if __name__ == "__main__":
    sys.exit(main())
