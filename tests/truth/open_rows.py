"""How a case of the open model is shown, and the table of what was seen."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from open_cases import OpenCase
from open_figures import OpenFigures, compare_open
from rich.table import Table
from rich.text import Text
from truth_figures import JUDGED
from truth_processes import Run, Target
from truth_rows import ATTEMPTS, EXIT_FAIL, EXIT_INVALID, EXIT_PASS

WHOLE_RATE = 0.98
"""From this share of the schedule on, the target has the whole rate: the edges of a span cost or give an arrival."""

SENDING_MS = 2.0
"""From when an arrival is started until the target's kernel has its request; two nodes may differ by it, or a neighbour take it."""


@dataclass(frozen=True)
class OpenRow:
    """A case as it came out; `status` is the run's exit status."""

    case: OpenCase
    status: int
    seen: OpenFigures
    took_s: float

    @property
    def valid(self) -> bool:
        """Whether the run says that its figures are true."""
        return self.status in (EXIT_PASS, EXIT_FAIL)

    @property
    def fault(self) -> str:
        """What is wrong, in words for people; empty when nothing is."""
        seen, load, missed = self.seen, self.seen.load, self.seen.load["missed"]
        sums = f"offered {load['offered']}, started {load['started']}, not started {missed['total']}; the schedule has {seen.due}"
        counted = load["started"] == seen.served
        faults = {f"does not add up: {sums}": not seen.sums_are_exact}
        if self.case.must == "TRUE":
            wrong = (
                []
                if seen.figures is None
                else [each for each in seen.figures.compared if each.name.split()[-1] in JUDGED and not each.true]
            )
            faults |= {
                "LIES: " + ", ".join(f"{each} ({each.off:+.1%})" for each in wrong[:3]): self.valid and bool(wrong),
                f"too careful: {seen.reason}": not self.valid,
                f"99 % arrived within {seen.late_p99_ms:.1f} ms after they were due, {load['lateness_ms']['p99']} ms are told": (
                    self.case.nodes == 1 and seen.late_p99_ms > 1.25 * load["lateness_ms"]["p99"] + SENDING_MS
                ),
                f"nodes were {seen.skew_ms:.1f} ms apart, {load['start_skew_ms']} ms were told for each": (
                    seen.skew_ms > 2 * load["start_skew_ms"] + SENDING_MS
                ),
                f"started {load['started']}, the target had {seen.served}, the schedule {seen.due}": not (
                    counted and load["started"] == seen.due
                ),
            }
        if self.case.must == "MISSED":
            faults |= {
                f"was not to be {seen.verdict}: {seen.reason}": self.status != EXIT_FAIL,
                f"broke {seen.broken}, not the rule on missed alone": seen.broken != ["missed < 1 % (default)"],
                f"missed {missed['no_free_user']} for want of a user, the target did not get {seen.due - seen.served}": (
                    missed["no_free_user"] != seen.due - seen.served
                ),
            }
        if self.case.must == "UNFIT":
            faults |= {
                f"was not to be {seen.verdict}": self.status != EXIT_INVALID,
                "arrivals did not break": "arrivals" not in seen.broken,
            }
        if self.case.must == "SEEN":
            faults[f"PASSED with {self.case.rule}"] = self.status == EXIT_PASS
        if self.case.must == "REDEALT":
            faults |= {
                "nothing was lost": not missed["lost"],
                f"started {load['started']} and lost {missed['lost']}, the target had {seen.served}": not (
                    load["started"] <= seen.served <= load["started"] + missed["lost"]
                ),
                f"at the end the target had {seen.rate_at_the_end:.1%} of the rate": seen.rate_at_the_end < WHOLE_RATE,
            }
        else:
            faults[f"started {load['started']}, the target had {seen.served}"] = not counted
        return next((fault for fault, wrong in faults.items() if wrong), "")

    @property
    def spoilt(self) -> str:
        """Why another attempt would tell more, in words for people; empty when none would."""
        figures = self.seen.figures
        if figures is not None and not figures.target_fit:
            return f"the target was late for {figures.target_late:.2%} of its requests ({figures.found:.1%} found)"
        if self.case.must in {"TRUE", "MISSED"} and not self.valid:
            return self.seen.reason
        return ""


def show_open(case: OpenCase, cores: tuple[int, int]) -> Iterator[OpenRow]:
    """Run a case up to ATTEMPTS times while it is spoilt; each attempt is a row, and the last one counts."""
    for _ in range(ATTEMPTS):
        row = _show_once(case, cores)
        yield row
        if not row.spoilt:
            return


def _show_once(case: OpenCase, cores: tuple[int, int]) -> OpenRow:
    of_target, of_generator = cores
    begun_s = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="piswarm-truth-") as path,
        Target(Path(path), of_target) as target,
        Run(Path(path), of_generator, case.scenario(target.url), "--local", str(case.nodes), *case.options) as run,
    ):
        run.go_first()
        target.be_exact()
        if case.pause:
            target.pause(case.pause)
        run.wait_for("stage 1 of 1, hold")
        thread = Thread(target=case.disturb, args=(run, target))
        thread.start()
        try:
            status = run.finish()
        finally:
            thread.join()
        if status not in (EXIT_PASS, EXIT_FAIL, EXIT_INVALID):
            raise RuntimeError(f"the run ended with status {status}:\n{run.output}")
        seen = compare_open(run.directory, Path(path) / "scenario.yml", target.served())
    return OpenRow(case, status, seen, time.monotonic() - begun_s)


HEADINGS = (
    "case",
    "verdict",
    "schedule",
    "target",
    "started",
    "no user",
    "given up, lost",
    "late",
    "truth p50, p99",
    "off",
)


def open_table(rows: Iterable[OpenRow]) -> Table:
    """Return all rows as a table for people, with faults in red."""
    shown = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for heading in (*HEADINGS, ""):
        shown.add_column(heading, overflow="fold")
    for row in rows:
        shown.add_row(*(Text(cell, "red" if row.fault else "") for cell in open_cells(row)))
    return shown


def open_cells(row: OpenRow) -> list[str]:
    """Return one row as texts, times in ms."""
    seen, load, missed = row.seen, row.seen.load, row.seen.load["missed"]
    truth, off = "–", "–"
    if seen.figures is not None:
        p50, p99 = seen.figures.of("p50"), seen.figures.of("p99")
        truth, off = f"{p50.truth:.1f}, {p99.truth:.1f}", f"{p50.off:+.1%}, {p99.off:+.1%}"
    numbers = (seen.due, seen.served, load["started"], missed["no_free_user"])
    lost = f"{missed['given_up']}, {missed['lost']}"
    return [row.case.name, seen.verdict, *map(str, numbers), lost, str(load["late"]), truth, off, row.fault or "holds"]
