"""Faults of stock Locust, shown on its own classes, and that piswarm is free of them: `python tests/faults`."""

from __future__ import annotations

import os

os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"  # this process is no Locust process; those that it starts are
import locust  # noqa: F401

del os.environ["LOCUST_SKIP_MONKEY_PATCH"]

# isort: split
import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # where the tests keep what they share

from rows import Fault, Outcome, Row, Side, document, find_faults, run, table
from terminal import EXIT_ABORTED, EXIT_FAILED, EXIT_INPUT, complain, end_in_order, open_console

LOG_WIDTH = 160
"""Columns of output that goes to a file or a log, which has no width of its own."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Show each fault on both sides, then print the table. Returns the exit status."""
    options = _parse(arguments)
    end_in_order()
    try:
        return _show_all(options)
    except KeyboardInterrupt:
        return complain("faults", "interrupted", EXIT_ABORTED)


def _show_all(options: argparse.Namespace) -> int:
    faults = find_faults(Path(__file__).parent)
    wanted = options.only or [each.fault for each in faults]
    if unknown := sorted(set(wanted) - {each.fault for each in faults}):
        known = ", ".join(each.fault for each in faults)
        return complain("faults", f"there is no fault {', '.join(unknown)}; choose from {known}", EXIT_INPUT)
    rows = [_show(each) for each in faults if each.fault in wanted]
    if options.json:
        print(json.dumps(document(rows), indent=2, ensure_ascii=False))  # noqa: T201  # what was asked for
    else:
        open_console(LOG_WIDTH).print(table(rows))
    return 0 if all(row.as_expected for row in rows) else EXIT_FAILED


def _show(fault: Fault) -> Row:
    stock = None if fault.stock is None else _run(fault, "stock", fault.stock)
    return Row(fault, stock, _run(fault, "ours", fault.ours))


def _run(fault: Fault, name: str, side: Side) -> Outcome:
    """Show one side, with a line on stderr before and after it."""
    console = open_console(LOG_WIDTH, stderr=True)
    console.print(f"{fault.fault:3} {name:5}  … ", end="", markup=False)
    try:
        outcome = run(side)
    except BaseException:
        console.print()
        raise
    console.print(f"{outcome}  ({outcome.took_s:.1f} s)", markup=False, soft_wrap=True)
    if outcome.error is not None and "\n" in outcome.error:
        console.print(outcome.error.partition("\n")[2], markup=False, soft_wrap=True)
    return outcome


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python tests/faults",
        description="Shows faults of stock Locust, over ZeroMQ on loopback, and that piswarm's own master and workers do not\n"
        "have them. Constants of time are shortened; nothing else is.",
        epilog="example: python tests/faults --only L1,L2\n\n"
        "exit status: 0 every fault is stock Locust's and none is ours; 1 it is otherwise; 2 wrong input; 4 interrupted",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", type=_names, metavar="L1,L2", help="these faults alone")
    parser.add_argument("--json", action="store_true", help="print a document in place of the table")
    return parser.parse_args(arguments)


def _names(text: str) -> list[str]:
    return [name.strip().upper() for name in text.split(",") if name.strip()]


if __name__ == "__main__":
    sys.exit(main())
