"""The Locust worker of piswarm: a WorkerRunner on an encrypted connection, with reports that lose nothing."""

from __future__ import annotations

import contextlib
import logging
import random
import sys
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from types import FrameType
from typing import Any, cast

import gevent
import zmq
from gevent.event import Event
from locust import __version__
from locust.env import Environment
from locust.exception import RPCError, RPCReceiveError
from locust.rpc import Message
from locust.rpc.zmqrpc import BaseSocket
from locust.runners import STATE_INIT, STATE_SPAWNING, STATE_STOPPED, WorkerRunner
from locust.user.task import LOCUST_STATE_STOPPING, LOCUST_STATE_WAITING

from worker.load.arrivals.dealt import DealtArrivals
from worker.load.arrivals.timer import ArrivalTimer
from worker.load.arrivals.users import has_waited
from worker.load.recorder import Recorder
from worker.parent_watch import note_contact
from worker.printable import printable
from worker.tracing.tracer import Tracer
from worker.wire.curve import Endpoint, Keys, connect
from worker.wire.messages import ArrivalPlan, Ready, Report, RunEndRequest, encode

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


class SecureClient(BaseSocket):
    """The worker's end of the wire: Locust's messages over a CURVE connection."""

    def __init__(self, context: Any, endpoint: Endpoint, keys: Keys, identity: str) -> None:
        # BaseSocket.__init__ is left out on purpose: it would open a context, with two threads, for this one socket.
        self.socket = connect(context, endpoint, keys)
        self._identity = identity.encode()

    def send_typed(self, kind: str, data: Ready | Report | RunEndRequest, identity: str) -> None:
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


class FleetWorker(WorkerRunner):
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

    client: Any

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
    ) -> None:
        """`run` is the name of the run; `phase` (0 to 1) spreads the reports of a fleet over the interval.

        `arrivals` are the plan of the open model and the timer of this process; None in the closed model.
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
        self._final_report_made = False
        self._last_contact_s = time.monotonic()
        self._cut_off = False
        self._joined = Event()  # the controller knows this worker
        self._initialised = Event()  # the listeners of init are done
        self._run_end_request: RunEndRequest | None = None
        # The base's listeners count each request a second time, send a message for each exception, and answer a Quit: they are
        # removed again.
        events = environment.events
        kept = [
            (event._handlers, list(event._handlers))  # noqa: SLF001  # Locust has no public way to read them
            for event in (events.request, events.user_error, events.quitting)
        ]
        # The base opens a plain connection; it gets an address where nothing is, and is replaced before it is used.
        super().__init__(environment, "127.0.0.1", 9)
        for listeners, own in kept:
            listeners[:] = own
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

    @property
    def recorder(self) -> Recorder:
        """The recorder of this worker's requests."""
        return cast("Recorder", self.environment.stats)

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
                    self._joined.clear()
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

    def request_run_end(self, reason: str) -> None:
        """Ask the controller to end the run. Only the first reason counts."""
        if self._run_end_request is None:
            self._run_end_request = RunEndRequest(self._run, reason[:MAX_REASON])
            logger.error("%s", reason)
            self._send("end_run", self._run_end_request)

    def quit(self) -> None:
        """Locust's way to end the test: asks the controller to end the run, for all workers."""
        self.request_run_end(f"the locustfile called runner.quit(){_place(sys._getframe(1))}")  # noqa: SLF001  # who called

    def stop(self) -> None:
        """As `quit`: a run is not started again, unlike a test of Locust's."""
        self.request_run_end(f"the locustfile called runner.stop(){_place(sys._getframe(1))}")  # noqa: SLF001  # who called

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
            super().stop()
            self.worker_state = STATE_INIT

    def handle_message(self, msg: Message) -> None:
        """Act on one message from the master. A stop runs beside the message loop, which it must not hold up."""
        self._last_contact_s = time.monotonic()
        note_contact()
        match msg.type:
            case "ack":  # the answer to Ready, with the number of the last report acknowledged
                self.worker_index = msg.data["index"]
                self.last_received_spawn_timestamp = 0
                self._drop_reports(msg.data["acknowledged"])
                self._resend_reports()
                self._joined.set()
                self.connection_event.set()
            case "acknowledged":
                self._drop_reports(msg.data)
                if not self._joined.is_set():
                    self._send_ready()
            case "rejoin":
                self._joined.clear()
                self._send_ready()
            case "spawn":
                self._final_report_made = False  # another controller goes on with a run that had been stopped
                if self.arrivals is not None:
                    self.arrivals.open()
                super().handle_message(msg)
            case "arrivals":
                self._accept_deal(msg.data)
            case "stop":
                self.greenlet.spawn(self._stop_and_report)
            case "quit":
                self._closing.set()
            case _:
                super().handle_message(msg)

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
        super().stop()
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
        self.recorder.note_exception(type(user).__name__, exception, tb)

    def spawn_users(self, user_classes_spawn_count: dict[str, int], wait: bool = False) -> list[Any]:  # noqa: ARG002
        """Start so many users of each class. One whose constructor raises counts as an exception; the others are started."""
        if self.state in (STATE_INIT, STATE_STOPPED):
            self.update_state(STATE_SPAWNING)
        users = []
        for name, count in user_classes_spawn_count.items():
            for _ in range(count):
                try:
                    user = self.user_classes_by_name[name](self.environment)
                    self._contain_exit(user)
                    user.start(self.user_greenlets)
                except Exception as error:
                    logger.exception("a user of class %s can't be made", name)
                    self.recorder.note_exception(name, error, error.__traceback__)
                else:
                    users.append(user)
        return users

    def _contain_exit(self, user: Any) -> None:
        """Have `sys.exit` in the user's code end this user, as an exception that counts: gevent would end the process with it."""
        run = user.run

        def run_contained() -> None:
            try:
                run()
            except (SystemExit, KeyboardInterrupt) as error:
                logger.exception(
                    "the code of a user of class %s wants to end the process: the user is ended", type(user).__name__
                )
                self.environment.events.user_error.fire(user_instance=user, exception=error, tb=error.__traceback__)

        user.run = run_contained

    def start_worker(self, user_classes_count: dict[str, int], **kwargs: Any) -> None:
        """Run so many users of each class, not counting those that are stopping and still finish their task."""
        stopping = Counter(type(user).__name__ for user in self._users() if _is_stopping(user))
        super().start_worker({name: count + stopping[name] for name, count in user_classes_count.items()}, **kwargs)

    def _ready_users(self) -> dict[str, int]:
        """In the open model: the users of each class that are done with their `on_start`; arrivals are dealt to those."""
        return dict(Counter(type(user).__name__ for user in self._users() if has_waited(user)))

    def _users(self) -> list[Any]:
        # gevent empties the arguments of a greenlet that has ended
        return [greenlet.args[0] for greenlet in list(self.user_greenlets) if greenlet.args]

    def stop_users(self, user_classes_stop_count: dict[str, int]) -> None:
        """Stop so many users of each class, those that pause at once, the others after their task, and wait for all that stop.

        Locust kills a pausing user without telling it that it is to stop; when its pause ends in that very moment, the kill
        hits the request that it has just begun, and the target has counted one more than the generator.
        """
        left = dict(user_classes_stop_count)
        stopping = []
        for greenlet in list(self.user_greenlets):
            user = greenlet.args[0] if greenlet.args else None  # gevent empties the arguments of one that has ended
            if user is None:
                continue
            if _is_stopping(user):
                stopping.append(greenlet)
                continue
            if not left.get(type(user).__name__, 0):
                continue
            left[type(user).__name__] -= 1
            stopping.append(greenlet)
            pausing = user._state in (None, LOCUST_STATE_WAITING)  # noqa: SLF001  # Locust keeps a user's state there
            user._state = LOCUST_STATE_STOPPING  # noqa: SLF001
            if pausing:
                greenlet.kill(block=False)
        gevent.joinall(stopping, timeout=self.environment.stop_timeout)
        late = [greenlet for greenlet in stopping if not greenlet.ready()]
        gevent.killall(late)
        self.recorder.note_cut_users(len(late))

    def _report(self, *, final: bool = False) -> None:
        self._number += 1
        self._reported_s, self._requests_reported = time.monotonic(), self.recorder.requests_total
        report = self.recorder.make_report(
            dict(self.user_classes_count) if self.arrivals is None else self._ready_users(),
            incarnation=self._incarnation,
            number=self._number,
            order=self.last_received_spawn_timestamp,
            final=final,
        )
        self._reports[self._number] = report
        self._all_acknowledged.clear()
        self._send("stats", report)

    def _drop_reports(self, up_to: int) -> None:
        while self._reports and next(iter(self._reports)) <= up_to:
            self._reports.popitem(last=False)
        if not self._reports:
            self._all_acknowledged.set()

    def _resend_reports(self) -> None:
        self._resent_s = time.monotonic()
        for report in self._reports.values():
            self._send("stats", report)

    def _send(self, kind: str, data: Ready | Report | RunEndRequest) -> None:
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
            super().stop()
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


def _is_stopping(user: Any) -> bool:
    return bool(user._state == LOCUST_STATE_STOPPING)  # noqa: SLF001  # Locust keeps a user's state there


def _place(frame: FrameType) -> str:
    """The place of a call, as ` (locustfile.py:12)`."""
    return f" ({frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno})"
