"""The load in a result: what was offered, and what of it was missed."""

from __future__ import annotations

from typing import Literal

import msgspec

from master.judge.result.latency import Latency


class Users(msgspec.Struct, kw_only=True):
    """Users: the most that the scenario asked for, and the most that ran."""

    target: int
    peak: int


class Missed(msgspec.Struct, kw_only=True):
    """Arrivals of the open model that were due and not started, in the whole run.

    Those that found no user free at a fit worker are the target's, which kept the users busy; all others are the generator's.
    """

    total: int | None
    """All of them; null where it is not known how many were lost."""
    no_free_user: int
    while_unfit: int
    """Found no user free at a worker that was not fit."""
    given_up: int
    """Given up by a worker that was far too late itself."""
    lost: int | None
    """Dealt to a worker that never reported them; null where that is not known."""


class ClassLoad(msgspec.Struct, kw_only=True):
    """The arrivals of one user class, likewise; nobody knows of what class those were that were lost."""

    user_class: str
    started: int
    late: int
    missed: Missed
    lateness_ms: Latency


class Load(msgspec.Struct, kw_only=True):
    """The load that was offered. `model` is closed (users wait for answers) or open (arrivals come as scheduled).

    Counts are of the whole run, so that started and missed add up to offered; rates and lateness are of the steady part. All is null
    in the closed model.
    """

    model: Literal["closed", "open"]
    offered: int | None = None
    """Arrivals that were due by the schedule."""
    started: int | None = None
    missed: Missed | None = None
    late: int | None = None
    """Of those started, the ones that a worker looked at too late by a fault of its own."""
    offered_per_s: float | None = None
    started_per_s: float | None = None
    lateness_ms: Latency | None = None
    """How much later than due arrivals started."""
    start_skew_ms: float | None = None
    """By how much a worker's start of the schedule may be off, since its clock is known to no less an error."""
    user_classes: list[ClassLoad] = []
