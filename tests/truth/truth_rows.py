"""How a case is shown, and the table of what was seen."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from rich.table import Table
from rich.text import Text
from truth_cases import Case
from truth_figures import JUDGED, Figures, compare
from truth_processes import Run, Target

ATTEMPTS = 3
"""How often a case is run when its truth could not be told, or a neighbour on this machine spoilt it."""
EXIT_PASS, EXIT_FAIL, EXIT_INVALID = 0, 1, 3


@dataclass(frozen=True)
class Row:
    """A case as it came out; `status` is the run's exit status."""

    case: Case
    status: int
    figures: Figures
    took_s: float
    attempt: int = 1
    """Which attempt it was; those before were spoilt."""
    hung_s: float | None = None
    """When its target began to hang, by the monotonic clock; None where it did not."""
    shown_s: float | None = None
    """When the run was seen to tell of requests in flight with their age."""

    @property
    def valid(self) -> bool:
        """Whether the run says that its figures are true."""
        return self.status in (EXIT_PASS, EXIT_FAIL)

    @property
    def lies(self) -> bool:
        """Whether the run says that its figures are true, and they are not."""
        return self.valid and not self.figures.all_true

    @property
    def shown_after_s(self) -> float | None:
        """How long the case's target had been hanging when the run showed it."""
        return None if self.shown_s is None or self.hung_s is None else self.shown_s - self.hung_s

    @property
    def ended_by_rule_s(self) -> float | None:
        """How long the case's target had been hanging when a rule ended the load; None where no rule did."""
        told, ended_s = self.figures.result, self.figures.load_ended_s
        broken = any(each["rule"] == f"{self.case.abort}, abort" and each["ok"] is False for each in told["thresholds"])
        if not broken or self.hung_s is None or ended_s is None:
            return None
        return ended_s - self.hung_s

    @property
    def _fault_of_hanging(self) -> str:
        told, hanging = self.figures.result, self.figures.hanging
        if self.status == EXIT_PASS:
            return "was not to PASS"
        if self.ended_by_rule_s is None:
            return f"was not ended by {self.case.abort}"
        if not self.case.stalled_s and self.shown_s is None:
            return "did not show that requests hang"
        if told["requests"]["unanswered"] != hanging or (not self.case.stalled_s and not hanging):
            return f"tells of {told['requests']['unanswered']} requests without an answer, there were {hanging}"
        return ""

    @property
    def fault(self) -> str:
        """What is wrong, in words for people; empty when nothing is."""
        case, figures = self.case, self.figures
        told, named = figures.result, {node for row in figures.result["validity"] for node in row["nodes"]}
        wrong = [each for each in figures.compared if each.name.split()[-1] in JUDGED and not each.true]
        faults = {
            "LIES: " + ", ".join(f"{each} ({each.off:+.1%})" for each in wrong[:3]): self.lies,
            f"too careful: {told['reason']}": case.must == "VALID" and not self.valid,
            "was to be INVALID": case.must == "INVALID" and self.valid,
            "nothing was set apart": case.must == "APART" and not told["excluded_share"],
            "what is left is not true": case.must in ("APART", "NAMED") and not figures.all_true,
            f"{case.node} is not named": case.must == "NAMED" and not {case.node} <= named & set(figures.unfit_nodes),
        }
        if case.must == "HANGS":
            faults[self._fault_of_hanging] = bool(self._fault_of_hanging)
        return next((fault for fault, seen in faults.items() if seen), "")

    @property
    def spoilt(self) -> str:
        """Why another attempt would tell more, in words for people; empty when none would."""
        if not self.figures.target_fit:
            return f"the target was late for {self.figures.target_late:.2%} of its requests ({self.figures.found:.1%} found)"
        if self.case.must in {"VALID", "HANGS"} and not self.valid:
            return self.figures.result["reason"]
        return ""


def show(case: Case, cores: tuple[int, int]) -> Iterator[Row]:
    """Run a case up to ATTEMPTS times while it is spoilt; each attempt is a row, and the last one counts."""
    for attempt in range(1, ATTEMPTS + 1):
        row = _show_once(case, cores, attempt)
        yield row
        if not row.spoilt:
            return


def _show_once(case: Case, cores: tuple[int, int], attempt: int) -> Row:
    of_target, of_generator = cores
    begun_s = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="piswarm-truth-") as path,
        Target(Path(path), of_target) as target,
        Run(Path(path), of_generator, case.scenario(target.url), "--local", str(case.nodes), *case.options) as run,
    ):
        run.wait_for("stage 1 of 1, hold")
        with _meanwhile(case, run, target, of_generator):
            status = run.finish()
        if status not in (EXIT_PASS, EXIT_FAIL, EXIT_INVALID):
            raise RuntimeError(f"the run ended with status {status}:\n{run.output}")
        figures = compare(run.directory, target.served(), case.period_s, stalled_s=case.stalled_s)
    return Row(case, status, figures, time.monotonic() - begun_s, attempt, run.hung_s, run.shown_s)


@contextmanager
def _meanwhile(case: Case, run: Run, target: Target, core: int) -> Iterator[None]:
    """Disturb the run in a thread of its own while the block lasts, and raise what that raises."""
    raised: list[BaseException] = []

    def disturb() -> None:
        try:
            case.disturb(run, target, core)
        except BaseException as error:  # noqa: BLE001  # it is raised below
            raised.append(error)

    thread = Thread(target=disturb)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    if raised:
        raise raised[0]


def table(rows: Iterable[Row]) -> Table:
    """Return all rows as a table for people, with faults in red."""
    shown = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for heading in (
        "case",
        "verdict",
        "apart",
        "truth p50, p99",
        "measured",
        "with unfit",
        "off",
        "shown, ended after",
        "",
    ):
        shown.add_column(heading, overflow="fold")
    for row in rows:
        style = "red" if row.fault and not row.case.known else ""
        shown.add_row(*(Text(cell, style) for cell in cells(row)))
    return shown


def cells(row: Row) -> list[str]:
    """Return one row as texts, times in ms."""
    figures = row.figures
    p50, p99 = figures.of("p50"), figures.of("p99")
    every = figures.result["latency_all_ms"]
    return [
        row.case.name,
        figures.result["verdict"],
        f"{figures.result['excluded_share']:.1%}",
        f"{p50.truth:.2f}, {p99.truth:.1f}",
        f"{p50.measured or float('nan'):.2f}, {p99.measured or float('nan'):.1f}",
        f"{every['p50'] or float('nan'):.2f}, {every['p99'] or float('nan'):.1f}",
        f"{p50.off:+.1%}, {p99.off:+.1%}",
        "" if row.hung_s is None else f"{_seconds(row.shown_after_s)}, {_seconds(row.ended_by_rule_s)}",
        f"{row.fault} (known: {row.case.known})" if row.fault and row.case.known else row.fault or "holds",
    ]


def _seconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.1f} s"
