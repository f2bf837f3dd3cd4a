"""Thresholds with a window over seconds that are thinned: what they came to is in run.db, with the seconds that the next windows need."""

from __future__ import annotations

from collections.abc import Container

from master.judge.seconds.stored_seconds import stored_seconds
from master.judge.target.thresholds import Judge
from master.store import StoreReader


def restore_windows(store: StoreReader, judge: Judge, steady: Container[int]) -> None:
    """Let `judge` go on behind the seconds that are thinned, as if it had judged them one by one."""
    thinned = store.thinned()
    if thinned.requests_before:
        warm_up(store, judge, steady, thinned.requests_before)


def warm_up(store: StoreReader, judge: Judge, steady: Container[int], before_s: int) -> None:
    """Restore what is stored of the windows, and fill them with the seconds before `before_s`."""
    first_s = before_s - judge.longest_window_s
    latest = (
        facts.judged(second, steady)
        for second, facts in stored_seconds(store, _within(steady, first_s, before_s), first_s, before_s)
    )
    judge.restore(store.thinned().windows, (judged for judged in latest if judged is not None))


def _within(steady: Container[int], start_s: int, end_s: int) -> list[int]:
    return [second for second in range(start_s, end_s) if second in steady]
