"""What the master side of a Locust project has to say to the verdict: its exit code, and its exceptions. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from master.judge.target.thresholds import ThresholdOutcome
from master.scenario.rules import EXIT_CODE, Threshold

EXIT_CODE_RULE = Threshold(f"{EXIT_CODE} = 0 (locustfile)", None, None, EXIT_CODE, "=", 0.0)


@dataclass(frozen=True)
class ProjectOutcome:
    """The end of the master side."""

    exit_code: int | None = None
    """`environment.process_exit_code`; None where the locustfile has set none."""
    exceptions: int = 0
    """Exceptions of its listeners."""
    first_exception: str = ""
    halted: str | None = None
    """How the locustfile has ended the run before its time; None when it has not."""
    dropped: int = 0
    """Reports and messages of workers that its listeners were too slow for."""


def project_rules(outcome: ProjectOutcome | None, rules: Sequence[Threshold]) -> Iterator[ThresholdOutcome]:
    """What the locustfile itself judges, and what the scenario's `rules` say to exceptions of its listeners, as further rules."""
    if outcome is None:
        return
    if outcome.exit_code is not None:
        code = outcome.exit_code
        message = "" if code == 0 else f"the locustfile set environment.process_exit_code to {code}"
        yield ThresholdOutcome(EXIT_CODE_RULE, float(code), str(code), ok=code == 0, message=message)
    if outcome.exceptions:
        for rule in rules:
            if rule.metric == "exceptions":
                count = outcome.exceptions
                text = f"{rule.text.removesuffix(' (default)')} (master side)"
                message = f"{count} of listeners, the first {outcome.first_exception}"
                yield ThresholdOutcome(
                    replace(rule, text=text), float(count), str(count), ok=rule.holds(count), message=message
                )


def with_halt(reason: str, outcome: ProjectOutcome | None) -> str:
    """A verdict's reason, with how the locustfile has ended the run before its time, if it has."""
    if outcome is None or outcome.halted is None:
        return reason
    return f"{reason.removesuffix('.')}. The run ended before its time: {outcome.halted}"
