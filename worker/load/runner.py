"""The Locust worker of piswarm: a WorkerRunner on an encrypted connection, with reports that lose nothing."""

from __future__ import annotations

import contextlib
import logging
import random
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import gevent
import zmq
from gevent.event import Event
from locust import __version__
from locust.env import Environment
from locust.exception import RPCError, RPCReceiveError
from locust.rpc import Message
from locust.rpc.zmqrpc import BaseSocket
from locust.runners import STATE_INIT

from worker.code_place import in_brackets, place_of_call
from worker.load.arrivals.dealt import DealtArrivals
from worker.load.arrivals.timer import ArrivalTimer
from worker.load.life_signs import attached_to_report, fire_heartbeats, monitor_usage
from worker.load.locustfile.messages import LocustfileMessages
from worker.load.rows.worker_rows import RowsWorker, WorkerRows
from worker.load.user_runner import UserRunner
from worker.parent_watch import note_contact
from worker.printable import printable
from worker.tracing.tracer import Tracer
from worker.wire.curve import Endpoint, Keys, connect
from worker.wire.messages import ProjectMessage, Ready, RunEndRequest, UsersRunning, encode
from worker.wire.reports import Report
from worker.wire.rows import DataTable, RowsRequest
from worker.wire.work import ArrivalPlan

logger = logging.getLogger(__name__)

REPORT_INTERVAL_S = 2.0
IDLE_REPORT_INTERVAL_S = 4.0
"""The report interval of a worker without users and without new requests."""
RESEND_AFTER_S = 5.0
"""A report that has not been acknowledged by then is sent again."""
IDLE_AFTER_S = 6.0
"""A worker that has had no message from the controller for so long ends its users: no load without a controller."""
IDLE_GRACE_S = 2.0
"""The time that their tasks get to finish then."""
READY_INTERVAL_S = 2.0
MAX_READY_INTERVAL_S = 15.0
MAX_REASON = 500
FINAL_REPORT_TIMEOUT_S = 10.0
"""The time that a stopped worker waits for the acknowledgement of its last report."""


WorkerData = Ready | Report | RunEndRequest | ProjectMessage | UsersRunning | RowsRequest
"""The structures of the wire that a worker sends."""


class SecureClient(BaseSocket):
    """The worker's end of the wire: Locust's messages over a CURVE connection."""

    def __init__(self, context: Any, endpoint: Endpoint, keys: Keys, identity: str) -> None:
        # BaseSocket.__init__ is left out on purpose: it would open a context, with two threads, for this one socket.
        self.socket = connect(context, endpoint, keys)
        self._identity = identity.encode()

    def send_typed(self, kind: str, data: WorkerData, identity: str) -> None:
        """Send a message whose data is one of the wire's structures. Raises zmq.Again when the queue is full, or the key was refused."""
        self.socket.send_multipart([self._identity, encode((kind, data, identity))], zmq.NOBLOCK)

    def send(self, msg: Message) -> None:
        """Send one of Locust's own messages; it is dropped where the controller has been away for too long to queue it."""
        with contextlib.suppress(zmq.Again):
            self.socket.send_multipart([self._identity, msg.serialize()], zmq.NOBLOCK)

    def recv(self) -> Message:
        """The next message. Raises RPCError, after which the caller calls again, and nothing else, whatever arrives."""
        try:
            message: Message = super().recv()
        except RPCError:
            raise
        except Exception as error:
            raise RPCReceiveError("a message that can't be decoded") from error
        return message


class FleetWorker(UserRunner):
    """One worker of one node.

    It differs from its base in what it sends to the master: no heartbeats (the node's agent sends them), no logs, and one
    Report every REPORT_INTERVAL_S in place of Locust's statistics. A report is kept until the controller acknowledges it. A
    stop lets running tasks finish, for at most the environment's `stop_timeout`, then waits for the acknowledgement of the
    final report, and only then sends that it has stopped.

    A lost controller ends the load, not the worker: it keeps its reports, and sends Ready until there is a controller again,
    with back-off and jitter.

    In the open model its users start the arrivals that the controller deals to it. At the end of the load, whatever ends it,
    those that are due are decided first, and those that are not due yet are dropped.
    """

    def __init__(
        self,
        environment: Environment,
        *,
        context: Any,
        endpoint: Endpoint,
        keys: Keys,
        node: str,
        index: int,
        run: str,
        phase: float = 0.0,
        arrivals: tuple[ArrivalPlan, ArrivalTimer] | None = None,
        data: Mapping[str, DataTable] | None = None,
        seed: int = 0,
        number: int = 0,
    ) -> None:
        """`run` is the name of the run; `phase` (0 to 1) spreads the reports of a fleet over the interval.

        `arrivals` are the plan of the open model and the timer of this process; None in the closed model. `data` are the tables
        of rows, of which `seed` and the worker's `number` in the fleet draw random ones.
        """
        self._identity = f"{node}_{index}"
        self._connect: Callable[[], SecureClient] = lambda: SecureClient(context, endpoint, keys, self._identity)
        self._phase = phase
        self._run = run
        self._closing = Event()
        self._incarnation = random.SystemRandom().getrandbits(52)
        self._number = 0
        self._reports: OrderedDict[int, Report] = OrderedDict()  # those not acknowledged
        self._resent_s = 0.0
        self._reported_s, self._requests_reported = 0.0, 0  # the latest report: its time, and all requests until then
        self._all_acknowledged = Event()
        self.rows = WorkerRows(
            data or {},
            RowsWorker(
                self._identity,
                self._incarnation,
                seed,
                number,
                send=lambda request: self._send("rows_request", request),
                has_users=lambda: bool(self.user_greenlets),
            ),
        )
        """The data rows that its users take."""
        self._final_report_made = False
        self._last_contact_s = time.monotonic()
        self._cut_off = False
        self._joined = Event()  # the controller knows this worker
        self._initialised = Event()  # the listeners of init are done
        self._stopping: gevent.Greenlet | None = None
        self._monitor: gevent.Greenlet | None = None
        self._run_end_request: RunEndRequest | None = None
        self._begin_accounts()
        # The base's listeners count each request a second time, send a message for each exception, answer a Quit, and make
        # Locust's statistics of each report: they are removed again.
        events: Any = environment.events
        kept = [
            (event._handlers, list(event._handlers))  # noqa: SLF001  # Locust has no public way to read them
            for event in (events.request, events.user_error, events.quitting, events.report_to_master)
        ]
        # The base opens a plain connection; it gets an address where nothing is, and is replaced before it is used.
        super().__init__(environment, "127.0.0.1", 9)
        for listeners, own in kept:
            listeners[:] = own
        self.worker_index = number  # known to the listeners of init, as in Locust, and the same after a resume
        self._messages = LocustfileMessages(
            lambda message: self._send("project_message", message),
            self.custom_messages.get,
            environment,
            events.note_failure,
        )
        self.greenlet.spawn(self._messages.run)
        events.heartbeat_received.when_heard(
            partial(self.greenlet.spawn, fire_heartbeats, environment, self.client_id, self._joined.is_set)
        )
        for event in (events.usage_monitor, events.cpu_warning):
            event.when_heard(self._start_monitor)
        environment.events.user_error.add_listener(self._on_user_error)
        self.arrivals: DealtArrivals | None = None
        """The arrivals that are dealt to this worker; None in the closed model."""
        self.refused_deals = 0
        """Deals of arrivals that were refused."""
        if arrivals is not None:
            plan, timer = arrivals
            self.arrivals = DealtArrivals(
                plan,
                timer,
                self.recorder.arrivals_due,
                [user_class.__name__ for user_class in environment.user_classes],
            )

    def _start_monitor(self) -> None:
        if self._monitor is None:
            self._monitor = self.greenlet.spawn(monitor_usage, self.environment, self.recorder)

    def connect_to_master(self) -> None:
        """Open the connection; from then on the worker tries to join the controller, however long it takes."""
        self.client_id = self._identity
        self.reset_connection()
        self.connected = True
        self.greenlet.spawn(self._seek_controller)

    def reset_connection(self) -> None:
        """Replace the connection by a new one."""
        self.client.close(linger=0)
        self.client, self._cut_off = self._connect(), False

    def _seek_controller(self) -> None:
        """Send Ready until a controller answers, whenever there is none; end the load without one."""
        self._initialised.wait()
        jitter = random.Random(self._identity)  # noqa: S311  # no secret
        wait_s = READY_INTERVAL_S
        while True:
            if self._joined.is_set():
                wait_s = READY_INTERVAL_S
                left_s = self._last_contact_s + IDLE_AFTER_S - time.monotonic()
                if left_s > 0:
                    gevent.sleep(left_s)
                else:
                    self._leave()
                    self._end_load()
            else:
                if self._cut_off:
                    self.reset_connection()
                self._send_ready()
                self._joined.wait(wait_s * jitter.uniform(0.8, 1.2))
                wait_s = min(2 * wait_s, MAX_READY_INTERVAL_S)

    def join(self) -> None:
        """Join the controller, now that the locustfile's listeners of init are done."""
        self._initialised.set()

    def request_run_end(self, reason: str, *, by_plan: bool = False) -> None:
        """Ask the controller to end the run, `by_plan` as a normal end of the test. Only the first reason counts."""
        if self._run_end_request is None:
            self._run_end_request = RunEndRequest(self._run, reason[:MAX_REASON], by_plan)
            logger.error("%s", reason)
            self._send("end_run", self._run_end_request)

    def quit(self) -> None:
        """Locust's way to end the test: asks the controller to end the run, for all workers."""
        place = in_brackets(place_of_call(sys._getframe(1)))  # noqa: SLF001  # who called
        self.request_run_end(f"the locustfile called runner.quit(){place}", by_plan=True)

    def stop(self) -> None:
        """As `quit`: a run is not started again, unlike a test of Locust's."""
        place = in_brackets(place_of_call(sys._getframe(1)))  # noqa: SLF001  # who called
        self.request_run_end(f"the locustfile called runner.stop(){place}", by_plan=True)

    def _send_ready(self) -> None:
        if not self._initialised.is_set():
            return
        first = next(iter(self._reports), self._number + 1)
        self._send("client_ready", Ready(__version__, self._incarnation, first, self._run))

    def _end_load(self) -> None:
        if self.user_greenlets:
            logger.warning("%s has lost its controller: its users end", self._identity)
            self.environment.stop_timeout = IDLE_GRACE_S
            self._end_arrivals()
            self.end_test()
            self.worker_state = STATE_INIT

    def handle_message(self, msg: Message) -> None:  # noqa: C901, PLR0912  # it is the list of what the controller may say
        """Act on one message from the master. A stop runs beside the message loop, which it must not hold up."""
        self._last_contact_s = time.monotonic()
        note_contact()
        match msg.type:
            case "ack":  # the answer to Ready, with the number of the last report acknowledged
                self.last_received_spawn_timestamp = 0
                self._drop_reports(msg.data["acknowledged"])
                self._resend_reports()
                self._joined.set()
                self._messages.join()
                self.rows.begin()
                self.connection_event.set()
            case "acknowledged":
                self._drop_reports(msg.data)
                if not self._joined.is_set():
                    self._send_ready()
            case "rejoin":
                self._leave()
                self._send_ready()
            case "spawn":
                self._final_report_made = False  # another controller goes on with a run that had been stopped
                if self.arrivals is not None:
                    self.arrivals.open()
                self._take_order(msg.data)
            case "arrivals":
                self._accept_deal(msg.data)
            case "project_message":
                self._messages.accept(msg.data[0], msg.data[1], self.client_id)
            case "rows":
                self.rows.accept(msg.data)
            case "rows_recall":
                self.rows.recall(msg.data)
                if not self._final_report_made:
                    self.greenlet.spawn(self._report)  # its listeners may take a while
            case "stop":
                if self._stopping is None or self._stopping.ready():
                    self._stopping = self.greenlet.spawn(self._stop_and_report)
            case "quit":
                self._closing.set()
            case _:
                super().handle_message(msg)

    def _take_order(self, order: Mapping[str, Any]) -> None:
        self.client.send(Message("spawning", None, self.client_id))
        if order["timestamp"] > self.last_received_spawn_timestamp:
            self.last_received_spawn_timestamp = order["timestamp"]
            self.environment.host, self.environment.stop_timeout = order["host"], order["stop_timeout"]
            self.follow(order["user_classes_count"])

    def _leave(self) -> None:
        self._joined.clear()
        self._messages.leave()

    def send_message(self, msg_type: str, data: Any = None, client_id: str | None = None) -> None:  # noqa: ARG002
        """Locust's way to send a message to the master side of the locustfile. Raises TypeError or ValueError for data that can't be sent."""
        self._messages.send(msg_type, data)

    def _accept_deal(self, data: Any) -> None:
        """Take in a deal of arrivals; one that can't be meant is refused, logged and counted."""
        if self.arrivals is None:
            self._refuse_deal("the run is of the closed model")
            return
        try:
            self.arrivals.accept(data)
        except ValueError as error:
            self._refuse_deal(str(error))

    def _refuse_deal(self, reason: str) -> None:
        self.refused_deals += 1
        logger.warning("%s refuses a deal of arrivals: %.300s", self._identity, printable(reason))
        self.recorder.note_refused_deal()

    def _end_arrivals(self) -> None:
        if self.arrivals is not None:
            self.arrivals.end()

    def _stop_and_report(self) -> None:
        self._end_arrivals()
        self.end_test()
        tracer: Tracer | None = getattr(self.environment, "tracer", None)
        if tracer is not None:
            tracer.settle(gevent.sleep)
        self._final_report_made = True
        self._report(final=True)
        with gevent.Timeout(FINAL_REPORT_TIMEOUT_S, False):  # gevent's way to say: just leave the block
            while self._reports:
                self._all_acknowledged.wait()
        self.client.send(Message("client_stopped", None, self.client_id))
        self.worker_state = STATE_INIT

    def _on_user_error(self, user_instance: Any, exception: BaseException, tb: Any) -> None:
        user = getattr(user_instance, "user", user_instance)  # what fires this in a task is the task set
        user.counted_error = exception
        self.recorder.note_exception(type(user).__name__, exception, tb)

    def _report(self, *, final: bool = False) -> None:
        attached = attached_to_report(self, self.environment.events.note_failure)  # type: ignore[attr-defined]  # ours
        self._number += 1
        self._reported_s, self._requests_reported = time.monotonic(), self.recorder.requests_total
        report = self.recorder.make_report(
            dict(self.user_classes_count) if self.arrivals is None else self._ready_users(),
            incarnation=self._incarnation,
            number=self._number,
            order=self.last_received_spawn_timestamp,
            final=final,
        )
        report.attached, report.ended = attached, dict(self.ended)
        report.rows = self.rows.pop_used(final=final)
        self._reports[self._number] = report
        self._all_acknowledged.clear()
        self._send("stats", report)

    def spawning_complete(self, user_count: int) -> None:
        """Tell the controller that an order was followed."""
        running = UsersRunning(self.user_classes_count, user_count, dict(self.ended))
        self._send("spawning_complete", running)

    def _drop_reports(self, up_to: int) -> None:
        while self._reports and next(iter(self._reports)) <= up_to:
            self._reports.popitem(last=False)
        if not self._reports:
            self._all_acknowledged.set()

    def _resend_reports(self) -> None:
        self._resent_s = time.monotonic()
        for report in self._reports.values():
            self._send("stats", report)

    def _send(self, kind: str, data: WorkerData) -> None:
        # When nobody has read for long it is not sent: what counts is kept, and sent again. Nor is it when a controller has refused
        # the node's key, as that of a run without this node does: ZeroMQ never tries again then.
        try:
            self.client.send_typed(kind, data, self.client_id)
        except zmq.Again:
            self._cut_off = True

    def stats_reporter(self) -> None:  # type: ignore[override]  # Locust's never returns
        """Report every REPORT_INTERVAL_S, between 0.2 and 0.8 s past a full second, when that second's record is complete.

        While there is nothing new, every IDLE_REPORT_INTERVAL_S is enough. Without a controller no report is made: the recorder
        keeps what it has counted.
        """
        while True:
            now_s = time.monotonic()
            slot_s = 0.2 + 0.6 * self._phase + int(self._phase * 97) % int(REPORT_INTERVAL_S)
            gevent.sleep(REPORT_INTERVAL_S - (now_s - slot_s) % REPORT_INTERVAL_S)
            if self._run_end_request is not None:
                self._send("end_run", self._run_end_request)
            if self._joined.is_set():
                oldest = next(iter(self._reports.values()), None)
                now_s = time.monotonic()
                if oldest is not None and now_s - max(oldest.sent_s, self._resent_s) > RESEND_AFTER_S:
                    self._resend_reports()
                idle = not self.user_greenlets and self.recorder.requests_total == self._requests_reported
                if not self._final_report_made and not (idle and now_s < self._reported_s + IDLE_REPORT_INTERVAL_S - 1):
                    self._report()

    def wait_for_quit(self) -> None:
        """Block until the master sends quit, then stop everything."""
        self._closing.wait()
        if self._initialised.is_set():
            self._end_arrivals()
            self.end_test()
            events = self.environment.events
            events.quitting.fire(environment=self.environment, reverse=True)
            events.quit.fire(exit_code=0)
        self.greenlet.kill(block=True)
        self.client.close(linger=500)

    def heartbeat(self) -> None:  # type: ignore[override]  # Locust's never returns
        """Does nothing: the node's agent sends heartbeats."""

    def heartbeat_timeout_checker(self) -> None:  # type: ignore[override]  # Locust's never returns
        """Does nothing: a lost master is noticed by its silence, see IDLE_AFTER_S."""

    def logs_reporter(self) -> None:
        """Does nothing: logs stay where they are written."""

    def monitor_cpu_and_memory(self) -> None:  # type: ignore[override]  # Locust's never returns
        """Does nothing: LoopLag measures the process, the agent the node."""
