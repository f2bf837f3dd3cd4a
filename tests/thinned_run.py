"""Thinning a run.db of a test in this process, as the controller has it done beside it."""

from __future__ import annotations

from collections.abc import Sequence

from master.scenario.rules import Threshold
from master.store import Store
from master.store.thinned.parts import MINUTE_S
from master.thinning.work import Job, Thinner, What

KINDS: tuple[What, ...] = ("fitness", "samples", "requests")


def thin(
    store: Store,
    thresholds: Sequence[Threshold],
    steady: Sequence[tuple[float, float]],
    before_s: int,
    first_s: int = 0,
) -> None:
    """Thin all whole minutes from `first_s` on and before `before_s`."""
    thinner = Thinner(thresholds)
    for second in range(first_s, before_s - MINUTE_S + 1, MINUTE_S):
        for what in KINDS:
            store.begin_thinning(second + MINUTE_S)
            for part in thinner.parts(store, Job(what, second, second + MINUTE_S, list(steady))):
                assert store.put_thinned(part)
        for _ in range(MINUTE_S):
            store.drop_thinned(max((rule.window_s or 0 for rule in thresholds), default=0))
    store.commit()
