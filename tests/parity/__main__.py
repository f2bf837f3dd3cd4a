"""What a Locust project sees under stock Locust and under piswarm: `python tests/parity`."""

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

from comparison import FEATURES, compare
from examples import run_examples
from feature import Outcome
from table import describe, document, judge, write_page
from terminal import EXIT_ABORTED, EXIT_FAILED, EXIT_INPUT, complain, end_in_order, open_console

LOG_WIDTH = 200
"""Columns of output that goes to a file or a log, which has no width of its own."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print the table, and write the page if everything was compared. Returns the exit status."""
    options = _parse(arguments)
    end_in_order()
    known = [feature.name for feature in FEATURES]
    if unknown := sorted(set(options.only or []) - set(known)):
        return complain(
            "parity", f"there is no feature {', '.join(unknown)}; choose from {', '.join(known)}", EXIT_INPUT
        )
    log = open_console(LOG_WIDTH, stderr=True)

    def tell(line: str) -> None:
        log.print(line, markup=False, soft_wrap=True)

    outcomes, examples = [], []
    try:
        if options.examples is None:
            wanted = [feature for feature in FEATURES if options.only is None or feature.name in options.only]
            outcomes = list(compare(wanted, tell))
        else:
            examples = run_examples(options.examples, tell)
    except KeyboardInterrupt:
        return complain("parity", "interrupted", EXIT_ABORTED)
    if options.json:
        print(json.dumps(document(outcomes, examples), indent=2, ensure_ascii=False))  # noqa: T201  # what was asked for
    else:
        _show(outcomes)
    good = all(each.as_said for each in outcomes) and all(each.result != "fails" for each in examples)
    if good and options.only is None:
        write_page(outcomes, examples)
    return 0 if good else EXIT_FAILED


def _show(outcomes: Sequence[Outcome]) -> None:
    console = open_console(LOG_WIDTH)
    for each in outcomes:
        console.print(f"{each.feature.name}: {judge(each)}", markup=False, soft_wrap=True)
        if not each.same:
            shown = f"    Locust   {describe(each.stock)}\n    piswarm  {describe(each.ours)}"
            console.print(shown, markup=False, soft_wrap=True)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python tests/parity",
        description="Runs small Locust projects under stock Locust (a master and two workers, on loopback) and under piswarm, and\n"
        "compares what their users and listeners saw, feature by feature.",
        epilog="example: python tests/parity --only shape,quit\n\n"
        "exit status: 0 all features are the same, or differ as is said; 1 one does not; 2 wrong input; 4 interrupted",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", type=_names, metavar="A,B", help="these features alone; the page is not written")
    parser.add_argument(
        "--examples",
        type=Path,
        metavar="DIR",
        help="in place of features: run all of Locust's examples/ in this folder",
    )
    parser.add_argument("--json", action="store_true", help="print a document in place of the table")
    return parser.parse_args(arguments)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


if __name__ == "__main__":
    sys.exit(main())
