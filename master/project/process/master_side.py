"""The master side of a Locust project: its environment, its runner, and the events of Locust's master, as the controller says."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import gevent
import locust
import msgspec
from gevent.queue import Full, Queue
from locust.env import Environment
from locust.event import EventHook
from locust.rpc import Message

from master.project.checks.import_checks import Imported
from master.project.own_places import describe_place, place_of_frame, place_of_traceback
from master.project.process.channel import Channel
from master.project.process.master_runner import ProjectMaster
from master.project.process.messages import (
    At,
    Begin,
    Done,
    FromWorker,
    ListenerFailed,
    Reported,
    ShapeEnded,
    Spawned,
    StartShape,
    Step,
    Tick,
    ToProcess,
    Where,
)
from master.project.process.statistics import add_errors, add_requests
from worker.load.locustfile.attached_data import unpack_data
from worker.load.locustfile.options import worker_options
from worker.load.user_exceptions import message_of
from worker.load.worker_event import WorkerEvent
from worker.printable import printable
from worker.secret_values import without_secrets

MAX_WAITING = 20_000
"""Messages and reports that wait for a listener that is slower than they come; what is beyond that is dropped, and said so."""

MAX_TEXT = 1000
"""Characters of each text about an exception."""

logger = logging.getLogger(__name__)


class MasterSide:
    """Acts on what the controller says, until it has no more to say."""

    def __init__(self, channel: Channel[ToProcess], imported: Imported, output: Path) -> None:
        """`output` is the file that standard output and error go to until the run begins."""
        self._channel = channel
        self._output = output
        self._imported = imported
        self._environment: Environment | None = None
        self._runner: ProjectMaster | None = None
        self._steps: dict[int, gevent.Greenlet] = {}
        self._failures: list[str] = []
        self._deliveries: Queue = Queue(MAX_WAITING)
        self._lost = 0

    def run(self) -> None:
        """Serve until the controller has gone, or says that it is over."""
        gevent.spawn(self._deliver)
        while True:
            try:
                message = self._channel.receive()
            except EOFError:
                os._exit(1)  # the controller has died; what it had is in run.db
            match message:
                case Begin():
                    self._take_step(message.number, "init", partial(self._begin, message))
                case Step():
                    self._take_step(message.number, message.event, partial(self._fire, message.event))
                case Where():
                    self._send(At(message.number, self._place_of(message.number)))
                case Tick():
                    self._note(message)
                case Spawned() if self._runner is not None:
                    gevent.spawn(self._runner.note_spawned, message.users)
                case StartShape():
                    self._start_shape(message.ran_s)
                case Reported() | FromWorker():
                    self._queue(message)
                case _:
                    self._end()
                    return

    def _send(self, message: msgspec.Struct) -> None:
        self._channel.send(message)

    # The steps of the run

    def _take_step(self, number: int, event: str, step: Callable[[], None]) -> None:
        def take() -> None:
            before = len(self._failures)
            try:
                step()
            except BaseException as error:  # noqa: BLE001  # also an exit, which is not to end this process
                self._note_failure(event, error, logged=False)
            failed = self._failures[before] if len(self._failures) > before else ""
            code = None if self._environment is None else self._environment.process_exit_code
            self._send(Done(number, failed, None if code is None else _exit_status(code)))
            self._steps.pop(number, None)

        self._steps[number] = gevent.spawn(take)

    def note_exit(self, error: SystemExit) -> None:
        """Say last in the log where a greenlet of the locustfile's ends the process: its last line is what the controller tells."""
        place = place_of_traceback(error.__traceback__)
        where = "" if place is None else f" (at {describe_place(*place)})"
        with contextlib.suppress(Exception):  # a locustfile may have put anything there
            sys.stderr.write(without_secrets(printable(f"{type(error).__name__}: {error}{where}")) + "\n")

    def _place_of(self, number: int) -> str:
        greenlet = self._steps.get(number)
        frame = None if greenlet is None else greenlet.gr_frame
        place = None if frame is None else place_of_frame(frame)
        return "" if place is None else describe_place(*place)

    def _begin(self, begin: Begin) -> None:
        self._redirect_output(Path(begin.log))
        for name, hook in vars(locust.events).items():
            if isinstance(hook, EventHook):
                setattr(locust.events, name, WorkerEvent(name, hook._handlers, self._note_failure_of_listener))  # noqa: SLF001
        classes = self._imported.classes
        chosen = []
        for name, share in begin.work.users.items():
            # Locust leaves out classes of no weight, and those of one share for each node have none.
            classes[name].weight = share.weight or (0 if share.fixed_count else 1)
            classes[name].fixed_count = share.fixed_count
            chosen.append(classes[name])
        shape = next((each for each in self._imported.shapes if type(each).__name__ == begin.shape), None)
        parsed = worker_options(begin.work)
        parsed.worker, parsed.master = False, True
        if shape is not None:
            parsed.num_users = parsed.spawn_rate = parsed.run_time = None
        files = [str(file) for file in self._imported.project.locustfiles]
        self._environment = environment = Environment(
            user_classes=chosen,
            shape_class=shape,
            host=begin.work.host,
            events=locust.events,
            tags=begin.work.tags,
            exclude_tags=begin.work.exclude_tags,
            stop_timeout=begin.work.stop_timeout_s,
            parsed_options=parsed,
            locustfile=Path(files[0]).name,
            parsed_locustfiles=files,
            available_user_classes=dict(classes),  # type: ignore[arg-type]  # annotated wrongly
            available_shape_classes={type(each).__name__: each for each in self._imported.shapes},
        )
        self._runner = environment._create_runner(ProjectMaster, send=self._send)  # noqa: SLF001  # the way to a runner class of one's own
        environment.events.init.fire(environment=environment, runner=self._runner, web_ui=None)

    def _redirect_output(self, log: Path) -> None:
        """Write from now on to `log`, which begins with what was written so far."""
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # a locustfile may have closed it, or put anything there
                stream.flush()
        with log.open("ab") as file, self._output.open("rb") as so_far:
            shutil.copyfileobj(so_far, file)
            file.flush()
            for descriptor in (1, 2):
                # What a locustfile has led elsewhere stays there.
                with contextlib.suppress(OSError):
                    if not os.path.samestat(os.fstat(descriptor), os.fstat(so_far.fileno())):
                        continue
                os.dup2(file.fileno(), descriptor)

    def _fire(self, event: str) -> None:
        environment, runner = self._environment, self._runner
        assert environment is not None
        assert runner is not None
        if event == "test_start":
            runner.stats.clear_all()
            runner.target_user_count = getattr(environment.parsed_options, "num_users", None) or 0
            if environment.shape_class is not None:
                environment.shape_class.reset_time()
        elif event == "test_stopping":
            self._stop_shape(runner)
        hook: EventHook = getattr(environment.events, event)
        hook.fire(environment=environment, reverse=event == "quitting")

    def _end(self) -> None:
        """Fire `quit`, with the status that Locust's own command would end with."""
        environment, runner = self._environment, self._runner
        if environment is None or runner is None:
            return
        code = environment.process_exit_code
        if code is None:
            code = 1 if runner.errors or runner.exceptions else 2 if self._failures else 0
        environment.events.quit.fire(exit_code=code)

    # The shape

    def _start_shape(self, ran_s: float) -> None:
        environment, runner = self._environment, self._runner
        if runner is None or environment is None or environment.shape_class is None:
            return
        runner.start_shape()
        environment.shape_class.start_time = time.perf_counter() - ran_s

        def ended(shape: gevent.Greenlet) -> None:
            error = runner.shape_exit if shape.successful() else shape.exception
            failed = "" if error is None else self._note_failure("tick", error, logged=False)
            gevent.spawn(self._send, ShapeEnded(failed))

        if runner.shape_greenlet is not None:
            runner.shape_greenlet.link(ended)

    @staticmethod
    def _stop_shape(runner: ProjectMaster) -> None:
        if runner.shape_greenlet is not None:
            runner.shape_greenlet.kill(block=False)
            runner.shape_greenlet = None

    # What comes from the fleet

    def _note(self, tick: Tick) -> None:
        runner = self._runner
        if runner is None:
            return
        add_requests(runner.stats, tick.requests)
        add_errors(runner.stats, [row for row in tick.occurred if row.method or row.name])
        for row in tick.occurred:
            if not (row.method or row.name):
                known: Any = runner.exceptions.setdefault(
                    hash(row.error), {"count": 0, "msg": row.error.partition(": ")[2], "traceback": "", "nodes": set()}
                )
                known["count"] += row.count
        new = runner.follow(tick.workers, tick.state, tick.users_wanted)
        self._queue((new, list(tick.workers)))

    def _queue(self, delivery: object) -> None:
        try:
            self._deliveries.put_nowait(delivery)
        except Full:
            if not self._lost:
                logger.warning("listeners are slower than what comes from workers: some of it is dropped")
            self._lost += 1

    def _deliver(self) -> None:
        """Hand over to listeners what comes from workers, one after the other, as Locust's master does."""
        while True:
            delivery = self._deliveries.get()
            try:
                self._hand_over(delivery)
            except BaseException as error:  # noqa: BLE001  # whatever a locustfile raises; it also may try to exit
                self._note_failure("message", error, logged=False)

    def _hand_over(self, delivery: Any) -> None:
        environment, runner = self._environment, self._runner
        if environment is None or runner is None:
            return
        match delivery:
            case Reported(worker=worker, users=users, attached=attached):
                more = unpack_data(attached) if attached else {}
                data = {"stats": [], "errors": {}, "stats_total": {}, "user_count": sum(users.values())}
                data |= {"user_classes_count": users, **(more if isinstance(more, Mapping) else {})}
                environment.events.worker_report.fire(client_id=worker, data=data)
            case FromWorker(worker=worker, kind=kind, data=data):
                self._hand_message_over(Message(kind, unpack_data(data), worker))
            case (new, workers):
                for worker in new:
                    environment.events.worker_connect.fire(client_id=worker)
                if environment.events.heartbeat_sent._handlers:  # noqa: SLF001  # Locust has no public way
                    for worker in workers:
                        environment.events.heartbeat_sent.fire(client_id=worker, timestamp=time.time())

    def _hand_message_over(self, message: Message) -> None:
        environment, runner = self._environment, self._runner
        assert runner is not None
        known = runner.custom_messages.get(message.type)
        if known is None:
            logger.warning("Unknown message type received from worker %s: %s", message.node_id, message.type)
            return
        listener, concurrent = known

        def handle() -> None:
            try:
                listener(environment=environment, msg=message)
            except BaseException as error:  # noqa: BLE001  # whatever a locustfile raises
                self._note_failure(f"message {message.type}", error, logged=False)

        if concurrent:
            gevent.spawn(handle)
        else:
            handle()

    def _note_failure_of_listener(self, event: str, error: Exception) -> None:
        self._note_failure(event, error, logged=True)

    def _note_failure(self, event: str, error: BaseException, *, logged: bool) -> str:
        """Log and report an exception of the locustfile's."""
        place = place_of_traceback(error.__traceback__)
        kind, message = printable(type(error).__name__)[:MAX_TEXT], message_of(error)[:MAX_TEXT]
        at = "" if place is None else printable(describe_place(*place))[:MAX_TEXT]
        shown = f"{kind}: {message}" + (f" (at {at})" if at else "")
        if not logged:
            with contextlib.suppress(Exception):  # a locustfile may have put anything there
                sys.stderr.write(without_secrets("".join(traceback.format_exception(error))))
        if len(self._failures) < MAX_WAITING:
            self._failures.append(shown)
        where = "" if place is None else printable(f"{place[0]}:{place[1]} in {place[2]}")[:MAX_TEXT]
        self._send(ListenerFailed(printable(event), kind, message, where, at.partition(": ")[2]))
        return shown


def _exit_status(code: object) -> int:
    """A process_exit_code as a number that can be told: whatever else a locustfile has set it to is a failure."""
    return int(code) if isinstance(code, int) and abs(code) < 1 << 31 else 1
