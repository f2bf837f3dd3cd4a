"""How many users an open run has ready, and when: those of a stage before it begins, and until its arrivals are dealt. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from master.load.arrival_plan import stage_times
from master.scenario.load_stages import OpenStage


class PoolChange(NamedTuple):
    """From a plan time on there are to be so many users."""

    plan_s: float
    users: int


def pool_changes(stages: Sequence[OpenStage], before_s: float, dealt_s: float) -> list[PoolChange]:
    """The size of the pool over plan time, the first from 0 on.

    The users of a stage are started `before_s` ahead of it, also where stages between are shorter than that. They stay until
    `dealt_s` before its end, which is less than `before_s`: all of its arrivals have been dealt to them by then.
    """
    times = stage_times(stages)
    ends_s = [*(time.end_s - dealt_s for time in times[:-1]), math.inf]
    spans = [
        (max(0.0, time.start_s - before_s), end_s, stage.max_users)
        for stage, time, end_s in zip(stages, times, ends_s, strict=True)
    ]
    changes: list[PoolChange] = []
    for plan_s in sorted(
        {bound_s for from_s, end_s, _ in spans for bound_s in (from_s, end_s) if 0 <= bound_s < math.inf}
    ):
        users = max(users for from_s, end_s, users in spans if from_s <= plan_s < end_s)
        if not changes or users != changes[-1].users:
            changes.append(PoolChange(plan_s, users))
    return changes
