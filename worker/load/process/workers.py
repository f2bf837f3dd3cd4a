"""The Locust workers of one process: they share its event loop, its garbage collector and its ZeroMQ context.

A real node has a process for each of its workers (worker/load/process/__main__.py); one process holds many simulated nodes
(worker/simulation/rack.py).
"""

from __future__ import annotations

import locust  # noqa: F401  # first: it patches the standard library for gevent

# isort: split
import logging
import os
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import gevent
import zmq
import zmq.green
from gevent import monkey
from gevent.pool import Group
from locust.env import Environment

from worker.data import provide as provide_rows
from worker.load.arrivals.timer import ArrivalTimer
from worker.load.arrivals.users import have_users_wait
from worker.load.events import WorkerEvents, share_global_events
from worker.load.locust_clients import track_requests
from worker.load.locustfile.catalogue import load_user_classes
from worker.load.locustfile.options import worker_options
from worker.load.loop_lag import LoopLag
from worker.load.process.gc_freeze import GcFreezer
from worker.load.process.output import name_worker, stamp_output
from worker.load.process.timerfd import exact_sleep
from worker.load.recorder import Recorder
from worker.load.runner import FleetWorker
from worker.log_lines import NOBODY, secrets_of
from worker.parent_watch import read_orders
from worker.secret_values import keep_secret
from worker.telemetry.figures import NodeFigures
from worker.tracing.tracer import SpanPipe, Tracer
from worker.users.database.drivers import import_drivers
from worker.wire.curve import Endpoint, end_context
from worker.wire.orders import WorkerOrders, WorkerSpec
from worker.wire.work import Work

native_start_thread = monkey.get_original("_thread", "start_new_thread")
native_sleep = monkey.get_original("time", "sleep")

ENDED_AT_ONCE = 25
"""Workers whose second is ended without a pause: some 0.1 ms."""


class Orders(Protocol):
    """What orders of a process of workers have."""

    @property
    def work(self) -> Work:
        """The work of all of them."""


T = TypeVar("T", bound=Orders)


def begin(kind: type[T]) -> T:
    """Begin as a process of workers: the orders on standard input, decoded as `kind`. Raises msgspec.MsgspecError."""
    track_requests()
    orders = read_orders(kind, native_start_thread, native_sleep)
    one = f"{orders.worker.node}_{orders.worker.index}" if isinstance(orders, WorkerOrders) else NOBODY
    stamp_output(secrets_of(orders.work.environment, orders.work.target_password), one)
    logging.getLogger().setLevel(logging.INFO)  # as Locust's command does, for what a locustfile has to say
    return orders


class ProcessWorkers:
    """All workers of this process, each with a connection and an environment of its own."""

    def __init__(self, endpoint: Endpoint, work: Work, count: int) -> None:
        """Load what `count` workers need for `work`.

        Raises KeyError for an unknown user class, MissingDriverError, MissingTracingError, and whatever a locustfile raises.
        """
        self._endpoint = endpoint
        self._work = work
        if work.working_directory is not None:
            os.chdir(work.working_directory)
        os.environ.update(work.environment)  # which a locustfile may read while it is imported
        keep_secret(work.environment)
        share_global_events()
        self._users = load_user_classes(work.users, work.root, work.locustfiles)
        import_drivers(self._users)
        self._spans = None if work.tracing is None else SpanPipe(work.tracing, work.run)
        self._options = worker_options(work)
        self._context = zmq.green.Context()
        self._context.set(zmq.MAX_SOCKETS, 4 * count + 64)
        self._workers: list[FleetWorker] = []
        self._greenlets = Group()
        self._arrivals = None if work.arrivals is None else (work.arrivals, ArrivalTimer())
        if self._arrivals is not None:
            have_users_wait(self._users)
        self.lag = LoopLag()
        """The lag of the event loop, which is that of each worker."""

    def start(self, spec: WorkerSpec, recorder: Recorder | None = None, figures: NodeFigures | None = None) -> None:
        """Start one worker, whose requests `recorder` counts; None is one by this process's own lag.

        `figures` are those of its node, for users that report them; None are those of this machine.
        """
        self._greenlets.spawn(
            self._run_worker, spec, recorder or Recorder(self.lag, open_model=self._arrivals is not None), figures
        )

    def run(self, *helpers: Callable[[], None]) -> None:
        """Wait until the controller has ended the run for every worker. Until then each of `helpers` runs in a greenlet.

        Raises what has ended a worker.
        """
        freezer = GcFreezer(lambda: sum(len(worker.user_greenlets) for worker in self._workers))
        running = [
            gevent.spawn(self.lag.run, exact_sleep()),
            gevent.spawn(freezer.run, gevent.sleep),
            gevent.spawn(end_seconds, self._workers),
            *([] if self._spans is None else [gevent.spawn(self._spans.run, gevent.sleep)]),
            *map(gevent.spawn, helpers),
        ]
        self._greenlets.join(raise_error=True)
        gevent.killall(running)

    def close(self) -> None:
        """End the ZeroMQ context, and the process that exports spans."""
        if self._spans is not None:
            self._spans.close()
        end_context(self._context, start_thread=native_start_thread, sleep=gevent.sleep)

    def _new_tracer(self, spec: WorkerSpec, recorder: Recorder) -> Tracer | None:
        tracing = self._work.tracing
        if self._spans is None or tracing is None:
            return None
        return Tracer(self._spans, f"{spec.node}_{spec.index}", tracing.sample_percent, recorder.note_lost_spans)

    def _run_worker(self, spec: WorkerSpec, recorder: Recorder, figures: NodeFigures | None) -> None:
        work = self._work
        name_worker(f"{spec.node}_{spec.index}")
        events = WorkerEvents(recorder)
        environment = Environment(
            user_classes=list(self._users),
            host=work.host,
            events=events,
            stop_timeout=work.stop_timeout_s,
            parsed_options=Namespace(**vars(self._options)),
            locustfile=self._options.locustfile,
            parsed_locustfiles=[str(Path(work.root or "", file)) for file in work.locustfiles],
            available_user_classes={user_class.__name__: user_class for user_class in self._users},  # type: ignore[misc]  # annotated wrongly
        )
        environment.stats = recorder
        # What piswarm's own user classes ask for, and Locust does not have.
        vars(environment).update(
            tracer=self._new_tracer(spec, recorder),
            seed=work.seed,
            first_account=spec.number,
            target_password=work.target_password,
            node_figures=figures,
        )
        worker = environment._create_runner(  # noqa: SLF001  # the documented way to use a runner class of one's own
            FleetWorker,
            context=self._context,
            endpoint=self._endpoint,
            keys=spec.keys,
            node=spec.node,
            index=spec.index,
            run=work.run,
            phase=spec.number * 0.618034 % 1,
            arrivals=self._arrivals,
            data=work.data,
            seed=work.seed,
            number=spec.number,
        )
        provide_rows(worker.rows)
        self._workers.append(worker)
        try:
            events.init.fire(environment=environment, runner=worker, web_ui=None)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever a locustfile raises; it must not end the others
            events.note_failure("init", error)
        if events.failures:
            worker.request_run_end(f"a listener of init failed: {events.failures[0]}")
        else:
            worker.join()
        worker.wait_for_quit()


def end_seconds(workers: Sequence[FleetWorker]) -> None:
    """At the end of each second have every worker keep how many users it runs and what is in flight, for ever.

    One greenlet does it for all workers of a process, and lets others have a turn between a few of them.
    """
    while True:
        gevent.sleep(1 - time.monotonic() % 1)
        for index, worker in enumerate(list(workers)):
            if index % ENDED_AT_ONCE == ENDED_AT_ONCE - 1:
                gevent.sleep(0)
            worker.recorder.end_second(worker.users_there)
