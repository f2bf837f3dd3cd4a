"""The Locust worker of piswarm: a WorkerRunner on an encrypted connection, with reports that lose nothing."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import Event
from locust import __version__
from locust.env import Environment
from locust.exception import RPCError, RPCReceiveError
from locust.rpc import Message
from locust.rpc.zmqrpc import BaseSocket
from locust.runners import STATE_INIT, WorkerRunner
from locust.user.task import LOCUST_STATE_STOPPING, LOCUST_STATE_WAITING

from worker.curve import Endpoint, Keys, connect
from worker.recorder import Recorder
from worker.wire import Report, encode

logger = logging.getLogger(__name__)

REPORT_INTERVAL_S = 2.0
CONNECT_TIMEOUT_S = 60.0


class SecureClient(BaseSocket):  # type: ignore[misc]  # Locust is untyped
    """The worker's end of the wire: Locust's messages over a CURVE connection."""

    def __init__(self, context: Any, endpoint: Endpoint, keys: Keys, identity: str) -> None:
        # BaseSocket.__init__ is left out on purpose: it would open a context, with two threads, for this one socket.
        self.socket = connect(context, endpoint, keys, identity)

    def send_report(self, report: Report, identity: str) -> None:
        """Send a Report as the data of a message of type `stats`."""
        self.socket.send(encode(("stats", report, identity)))

    def recv(self) -> Message:
        """The next message. Raises RPCError, after which the caller asks again; nothing else, whatever arrives."""
        try:
            return super().recv()
        except RPCError:
            raise
        except Exception as error:
            raise RPCReceiveError("a message that can't be decoded") from error


class FleetWorker(WorkerRunner):  # type: ignore[misc]  # Locust is untyped
    """One worker of one node.

    It differs from its base in what it says to the master: no heartbeats (the node's agent answers for the node), no
    logs, and one Report every REPORT_INTERVAL_S in place of Locust's statistics. A stop lets running tasks finish, for
    at most the environment's `stop_timeout`, then sends the final report and only then says that it has stopped.
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
        phase: float = 0.0,
    ) -> None:
        """`phase` (0 to 1) spreads the reports of a fleet over the interval."""
        self._identity = f"{node}_{index}"
        self._connect: Callable[[], SecureClient] = lambda: SecureClient(context, endpoint, keys, self._identity)
        self._phase = phase
        self._closing = Event()
        listeners = environment.events.request._handlers  # noqa: SLF001  # Locust has no public way to read them
        own = list(listeners)
        # The base opens a plain connection; it gets an address where nothing is, and is replaced before it is used.
        super().__init__(environment, "127.0.0.1", 9)
        listeners[:] = own  # without the base's, which would count each request a second time

    @property
    def recorder(self) -> Recorder:
        """What this worker measured and has not reported."""
        recorder: Recorder = self.environment.stats
        return recorder

    def connect_to_master(self) -> None:
        """Present this worker and wait until the master knows it. Raises ConnectionError after a minute."""
        self.client_id = self._identity
        self.reset_connection()
        self.client.send(Message("client_ready", __version__, self.client_id))
        if not self.connection_event.wait(timeout=CONNECT_TIMEOUT_S):
            raise ConnectionError(f"the master did not answer worker {self.client_id} within {CONNECT_TIMEOUT_S:.0f} s")
        self.connected = True

    def reset_connection(self) -> None:
        """Open the connection anew, encrypted as before."""
        self.client.close(linger=0)
        self.client = self._connect()

    def handle_message(self, msg: Message) -> None:
        """Act on one message from the master. A stop runs beside the message loop, which it must not hold up."""
        match msg.type:
            case "stop":
                self.greenlet.spawn(self._stop_and_report)
            case "quit":
                self._closing.set()
            case _:
                super().handle_message(msg)

    def _stop_and_report(self) -> None:
        self.stop()
        self._send_stats(final=True)
        self.client.send(Message("client_stopped", None, self.client_id))
        self.worker_state = STATE_INIT

    def stop_users(self, user_classes_stop_count: dict[str, int]) -> None:
        """Stop so many users of each class: those that pause at once, the others when their task is done.

        Locust kills a pausing user without telling it that it is to stop; when its pause ends in that very moment, the kill
        hits the request that it has just begun, and the target has counted one more than the generator.
        """
        left = dict(user_classes_stop_count)
        stopping = []
        for greenlet in list(self.user_greenlets):
            user = greenlet.args[0] if greenlet.args else None  # gevent empties the arguments of one that has ended
            if user is None or not left.get(type(user).__name__, 0):
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
        self.recorder.note_cut_off(len(late))

    def _send_stats(self, *, final: bool = False) -> None:
        report = self.recorder.take(dict(self.user_classes_count), final=final)
        self.client.send_report(report, self.client_id)

    def stats_reporter(self) -> None:
        """Report every REPORT_INTERVAL_S, between 0.2 and 0.8 s past a full second, when that second's record is complete."""
        while True:
            now_s = time.monotonic()
            slot_s = 0.2 + 0.6 * self._phase + int(self._phase * 97) % int(REPORT_INTERVAL_S)
            gevent.sleep(REPORT_INTERVAL_S - (now_s - slot_s) % REPORT_INTERVAL_S)
            try:
                self._send_stats()
            except RPCError:
                logger.exception("a report could not be sent")

    def wait_until_told_to_quit(self) -> None:
        """Block until the master ends the run, then stop everything."""
        self._closing.wait()
        self.stop()
        self.greenlet.kill(block=True)
        self.client.close(linger=500)

    def heartbeat(self) -> None:
        """Nothing: the node's agent answers for the node."""

    def heartbeat_timeout_checker(self) -> None:
        """Nothing: whether the master lives is the agent's business."""

    def logs_reporter(self) -> None:
        """Nothing: logs stay where they are written."""

    def monitor_cpu_and_memory(self) -> None:
        """Nothing: LoopLag measures the process, the agent the node."""
