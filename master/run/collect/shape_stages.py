"""What a LoadTestShape has asked for, in run.db: a key for each stage, so that a day of changes costs no more than its changes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import msgspec

from master.scenario import Stage
from master.store import Store, StoreReader

_KEY = "shape stage {}"


def keep_stage(store: Store, number: int, stage: Stage) -> None:
    """Keep the stage of this number, from 0."""
    store.put_meta(_KEY.format(number), [stage.users, stage.spawn_rate])


def stages_asked(store: StoreReader) -> tuple[Stage, ...]:
    """All stages of the run until now; their holds are as long as they were."""
    return tuple(_read(store))


def _read(store: StoreReader) -> Iterator[Stage]:
    for number in count():
        kept = store.meta(_KEY.format(number))
        if kept is None:
            return
        users, spawn_rate = msgspec.convert(kept, tuple[int, float])
        yield Stage(users, spawn_rate, 0.0)
