"""The load that a LoadTestShape of the locustfile asks for: it ticks on the master side, and the fleet follows."""

from __future__ import annotations

import time

import gevent
from gevent.queue import Empty

from master.fleet.master import FleetMaster
from master.load.shape_progress import ShapeProgress
from master.project.process.messages import RampAsked
from master.run.collect.collector import Collector
from master.run.collect.shape_stages import keep_stage
from master.run.project_run import ProjectRun
from master.run.stop import StopRequest
from master.scenario import Stage
from master.scenario.schema.base import MAX_USERS
from master.scenario.schema.stages import MAX_SPAWN_RATE
from master.store import Store
from worker.printable import printable

POLL_S = 0.1


class ShapeRun:
    """Follows the shape of one run."""

    def __init__(
        self, project: ProjectRun, master: FleetMaster, collector: Collector, store: Store, stop: StopRequest
    ) -> None:
        self._project = project
        self._master = master
        self._collector = collector
        self._store = store
        self._stop = stop

    def put_on(self, progress: ShapeProgress) -> None:
        """Follow the shape until it ends, its run time is over, or the run is to stop."""
        if self._collector.timeline.ended_s <= self._collector.offset_s():
            return  # the load had ended when the controller before was lost
        self._project.start_shape(progress.ran_s(self._collector.offset_s()))
        while not self._stop.requested:
            left_s = progress.run_time_left_s(self._collector.offset_s())
            if left_s is not None and left_s <= 0:
                return
            try:
                asked = self._project.shape.get(timeout=POLL_S)
            except Empty:
                continue
            if not isinstance(asked, RampAsked):
                if asked.failed:
                    self._project.note_halt(f"the load shape failed: {asked.failed}")
                return
            if not self._follow(progress, asked):
                return

    def _follow(self, progress: ShapeProgress, asked: RampAsked) -> bool:
        """Ramp to what is asked for; whether the load goes on."""
        if not 0 <= asked.users <= MAX_USERS or not 0 < asked.spawn_rate <= MAX_SPAWN_RATE:
            what = f"{asked.users} users at {asked.spawn_rate:g}/s"
            bounds = f"from 0 to {MAX_USERS}, at a rate above 0 and at most {MAX_SPAWN_RATE}"
            self._stop.request(printable(f"the load shape asks for {what}: {bounds}"))
            return False
        offset_s = self._collector.offset_s()
        stage = Stage(asked.users, asked.spawn_rate, 0.0)
        progress.ask(stage.users, stage.spawn_rate, offset_s)
        keep_stage(self._store, len(progress.stages) - 1, stage)
        ramp = self._master.ramp_to(stage.users, stage.spawn_rate, asked.classes)
        left_s = progress.run_time_left_s(offset_s)
        began_s = time.monotonic()
        while not ramp.ready() and not self._stop.requested:
            gevent.wait([ramp, self._stop.event], count=1, timeout=1.0)
            if left_s is not None and time.monotonic() - began_s > left_s:
                return False
        if ramp.ready() and not ramp.successful():
            self._stop.request(f"the ramp to {stage.users} users failed by a fault of ours: {ramp.exception!r}")
        if self._stop.requested:
            return False
        progress.hold_started(self._collector.offset_s())
        return True
