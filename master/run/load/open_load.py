"""The load of the open model: users are made ready, then the arrivals of the plan are dealt out to their workers as time goes on."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from functools import partial
from operator import itemgetter

import gevent
from msgspec.structs import replace

from master.fleet.master import FleetMaster
from master.fleet.registry import Registry
from master.load.arrival_plan import stage_times
from master.load.dealer import ArrivalDealer
from master.load.pool import PoolChange, pool_changes
from master.run.collect.collector import Collector
from master.run.live_view import View
from master.run.stop import StopRequest
from master.scenario import OpenStage
from worker.load.arrivals.schedule import ArrivalSchedule
from worker.wire.messages import ArrivalDeal, node_of

EPOCH_S = 2.0
LEAD_S = 3.0
"""Arrivals are dealt EPOCH_S at a time, at least LEAD_S before they are due: a controller that is held up for less loses none."""
DEAL_INTERVAL_S = 1.0
"""That of the monitor's polls."""
DEALT_AHEAD_S = LEAD_S + EPOCH_S + DEAL_INTERVAL_S
"""The longest time from the dealing of an arrival to when it is due."""
DEALT_BY_S = LEAD_S - DEAL_INTERVAL_S
"""So long before they are due, arrivals have been dealt."""
POOL_READY_S = 5.0
"""The users of a large pool are started within so long: they may all sign in first."""
MIN_SPAWN_RATE_PER_S = 20.0
NOT_READY_S = 15.0
"""When no further user has got ready for so long the plan starts with those that are: what the others should start is missed."""
POLL_S = 0.5
DRAIN_S = 0.5
"""After the last arrival was due: what workers still have to look at, and what their clocks may be behind by."""


def spawn_rate_per_s(max_users: int) -> float:
    """How fast the users of a pool are started."""
    return max(MIN_SPAWN_RATE_PER_S, max_users / POOL_READY_S)


class OpenLoad:
    """Puts the open stages of one run on its fleet."""

    def __init__(
        self,
        schedule: ArrivalSchedule,
        master: FleetMaster,
        collector: Collector,
        registry: Registry,
        stop: StopRequest,
    ) -> None:
        """`schedule` has all arrivals of the run, also those of the part that another controller has had."""
        self._dealer = ArrivalDealer(schedule, EPOCH_S, LEAD_S)
        self._master = master
        self._collector = collector
        self._registry = registry
        self._stop = stop
        self._unsent: Mapping[str, ArrivalDeal] = {}

    def put_on(self, stages: Sequence[OpenStage], view: View) -> None:
        """Go through `stages`, which are what is left of the plan; returns early when the run is to stop."""
        if not stages:
            return  # the load had ended when the controller before was lost
        timeline = self._collector.timeline
        first, *changes = pool_changes(stages, DEALT_AHEAD_S, DEALT_BY_S)
        self._make_users_ready(first.users, view)
        if self._stop.requested:
            return
        # From a whole second on, so that seconds of the plan are seconds of the run.
        begin_s = math.ceil(self._collector.offset_s() + LEAD_S)
        self._dealer.resume_at(timeline.arrivals_dealt)
        timeline.start_plan(begin_s)
        self._collector.progress.begin(begin_s)
        self._collector.dealing = self
        try:
            self._follow(stages, changes, begin_s)
        finally:
            self._collector.dealing = None

    def _make_users_ready(self, max_users: int, view: View) -> None:
        """Start the first users, and wait until all are ready; no longer than some get ready now and then."""
        view.show_step(f"starting {max_users} users, who wait for their arrivals")
        started = self._resize_pool(max_users)
        gevent.wait([started, self._stop.event], count=1)
        ready, progress_s = self._master.user_count, time.monotonic()
        while self._master.user_count < max_users and time.monotonic() - progress_s < NOT_READY_S:
            if self._master.user_count > ready:
                ready, progress_s = self._master.user_count, time.monotonic()
            if self._stop.wait(POLL_S):
                return
            view.show_step(f"starting users: {self._master.user_count} of {max_users} are ready for arrivals")

    def _follow(self, stages: Sequence[OpenStage], changes: Sequence[PoolChange], begin_s: float) -> None:
        """Resize the pool and note the holds as they come; `changes` are those after the start."""
        times = stage_times(stages)
        note_hold = self._collector.progress.hold_started
        steps = [(time.hold_start_s, partial(note_hold, begin_s + time.hold_start_s)) for time in times]
        steps += [(change.plan_s, partial(self._resize_pool, change.users)) for change in changes]
        for plan_s, take in sorted(steps, key=itemgetter(0)):
            if self._wait_until(begin_s + plan_s):
                return
            take()
        if not self._wait_until(begin_s + times[-1].end_s):
            self._stop.wait(DRAIN_S)

    def _wait_until(self, offset_s: float) -> bool:
        """Wait until so many seconds of the run have passed; whether it is to stop."""
        return self._stop.wait(max(0.0, offset_s - self._collector.offset_s()))

    def _resize_pool(self, max_users: int) -> gevent.Greenlet:
        return self._master.ramp_to(max_users, spawn_rate_per_s(max_users))

    def work_out(self) -> None:
        """Work out what to deal now; it counts as dealt."""
        if self._unsent:  # what could not be stored: it comes first
            return
        timeline, nodes = self._collector.timeline, self._registry.nodes
        # A worker whose clock is not known could only start them at a wrong time.
        users = {
            worker: counts
            for worker, counts in self._master.ready_users().items()
            if nodes[node_of(worker)].clock.error_s is not None
        }
        self._unsent = self._dealer.deal(timeline.plan_s(self._collector.offset_s()), users)
        timeline.arrivals_dealt = self._dealer.dealt

    def send(self) -> None:
        """Send what was worked out, now that it is stored that it was dealt: another controller deals it to nobody else."""
        timeline = self._collector.timeline
        for worker, deal in self._unsent.items():
            clock = self._registry.nodes[node_of(worker)].clock
            timeline.note_skew(clock.error_s or 0.0)
            self._master.deal(worker, replace(deal, start_s=clock.to_peer(timeline.plan_start_at_s)))
        self._unsent = {}
