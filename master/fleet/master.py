"""The Locust master of piswarm: a MasterRunner on the encrypted port, fed by typed messages."""

from __future__ import annotations

import logging
import time
from typing import Any, Protocol

import gevent
from gevent.event import Event
from locust.env import Environment
from locust.rpc import Message
from locust.runners import (
    STATE_INIT,
    STATE_MISSING,
    STATE_RUNNING,
    STATE_SPAWNING,
    STATE_STOPPED,
    STATE_STOPPING,
    MasterRunner,
    WorkerNode,
)

from master.fleet.server import AGENT, FleetServer
from worker.wire import AgentMessage, Quit, Report, UserException, node_of

logger = logging.getLogger(__name__)

REPORTED_AFTER_S = 3.0
"""How long after its last order a ramp waits for the workers to say that their users run."""


class Listener(Protocol):
    """Who is told what arrives."""

    def on_agent(self, node: str, message: AgentMessage) -> None:
        """An agent has sent a message."""

    def on_worker_joined(self, node: str, worker: str) -> None:
        """A worker has presented itself."""

    def on_worker_left(self, node: str, worker: str) -> None:
        """A worker has said good-bye in mid-run."""

    def on_report(self, worker: str, report: Report) -> None:
        """A worker has reported."""

    def on_user_exception(self, worker: str, exception: UserException) -> None:
        """A user's code has let an exception through."""


class FleetMaster(MasterRunner):  # type: ignore[misc]  # Locust is untyped
    """Drives the workers of a fleet. Whether a node lives is its agent's to say; Locust's statistics and heartbeats are unused."""

    server: Any
    _users_dispatcher: Any

    def __init__(self, environment: Environment, *, server: FleetServer, listener: Listener) -> None:
        # The base opens a plain port of its own. Nothing yields between its return and the swap, so nobody is ever served there.
        super().__init__(environment, "127.0.0.1", 0)
        self.server.close(linger=0)
        self.server = server
        self._listener = listener
        self._ramp: gevent.Greenlet | None = None
        self._all_stopped = Event()
        self._ordered: dict[str, dict[str, int]] = {}
        """The users that each worker was last told to run."""

    def ramp_to(self, users: int, spawn_rate: float) -> gevent.Greenlet:
        """Start or stop users until `users` run, `spawn_rate` per second; a ramp still under way is cut off."""
        if self._ramp is not None:
            self._ramp.kill()
        self._ramp = gevent.spawn(self._go_to, users, spawn_rate)
        return self._ramp

    def _go_to(self, users: int, spawn_rate: float) -> None:
        # Stands in for MasterRunner.start, which orders every worker anew in every step, whether or not its users change,
        # and stamps the orders with the wall clock.
        self.target_user_count = users
        if self._users_dispatcher is None:
            active = self.clients.ready + self.clients.spawning + self.clients.running
            self._users_dispatcher = self.environment.dispatcher_class(active, self.user_classes)
        if self.state == STATE_INIT:
            self.environment.events.test_start.fire(environment=self.environment)
        self.update_state(STATE_SPAWNING)
        self._users_dispatcher.new_dispatch(users, spawn_rate)
        for wanted in self._users_dispatcher:
            for worker, counts in wanted.items():
                if counts != self._ordered.get(worker, dict.fromkeys(counts, 0)):
                    self._ordered[worker] = dict(counts)
                    self._order(worker, counts)
        with gevent.Timeout(REPORTED_AFTER_S, False):  # gevent's way to say: just leave the block
            while self.user_count != users:
                gevent.sleep(0.05)
        self.update_state(STATE_RUNNING)
        self.environment.events.spawning_complete.fire(user_count=users)
        self.send_message("spawning_complete", data={"user_count": users})

    def _order(self, worker: str, users: dict[str, int]) -> None:
        order = {
            "timestamp": time.monotonic(),  # workers drop an order that is not later than the one before
            "user_classes_count": users,
            "host": self.environment.host,
            "stop_timeout": self.environment.stop_timeout,
            "parsed_options": {},
        }
        self._send("spawn", worker, order)

    def finish(self, timeout_s: float) -> list[str]:
        """Stop all users and wait for the final reports; returns the workers from which none came in time.

        Workers of lost nodes are told too, but not waited for.
        """
        if self._ramp is not None:
            self._ramp.kill()
        self.update_state(STATE_STOPPING)
        self._users_dispatcher = None
        for worker in list(self.clients):
            self._send("stop", worker)
        self._note_stopped()
        self._all_stopped.wait(timeout=timeout_s)
        self.update_state(STATE_STOPPED)
        return sorted(self.clients)

    def dismiss(self, workers: list[str], nodes: list[str]) -> None:
        """Tell every worker and every agent to end."""
        for worker in workers:
            self._send("quit", worker)
        for node in nodes:
            self.server.send_to_agent(node, Quit())

    def close(self) -> None:
        """End the runner's greenlets; the port stays its owner's."""
        self.greenlet.kill(block=True)

    def lose_node(self, node: str) -> int:
        """A node is lost: it gets no more users. Returns how many workers it had."""
        lost = [client for client in self.clients.values() if node_of(client.id) == node]
        for client in lost:
            client.state = STATE_MISSING
            client.user_classes_count = {}
            if self._users_dispatcher is not None:
                self._users_dispatcher.remove_worker(client)
        return len(lost)

    def regain_node(self, node: str) -> None:
        """A lost node is back: from the next ramp on it gets users again."""
        for client in self.clients.values():
            if node_of(client.id) == node and client.state == STATE_MISSING:
                client.state = STATE_RUNNING
                if self._users_dispatcher is not None:
                    self._users_dispatcher.add_worker(worker_node=client)

    def handle_message(self, client_id: str, msg: Message) -> None:
        """Act on one message that the server has let through. Whatever it leads to, the next one is heard."""
        try:
            self._act_on(client_id, msg)
        except Exception:
            self.server.drops["message that could not be acted on"] += 1
            logger.exception("%s from %s", msg.type, client_id)

    def _act_on(self, client_id: str, msg: Message) -> None:
        known = self.clients.get(client_id)
        match msg.type:
            case kind if kind == AGENT:
                self._listener.on_agent(client_id, msg.data)
            case "client_ready":
                self._welcome(client_id)
            case _ if known is None:
                logger.info("ignored %s from %s, which is no worker of this run", msg.type, client_id)
            case "stats":
                known.user_classes_count = msg.data.users
                self._listener.on_report(client_id, msg.data)
            case "spawning":
                self._set_state(known, STATE_SPAWNING)
            case "spawning_complete":
                self._set_state(known, STATE_RUNNING)
                known.user_classes_count = msg.data.user_classes_count
            case "exception":
                self._listener.on_user_exception(client_id, msg.data)
            case "client_stopped" | "quit":
                self._remove(client_id)
                if self.state != STATE_STOPPING:
                    self._listener.on_worker_left(node_of(client_id), client_id)
                self._note_stopped()

    def _welcome(self, worker: str) -> None:
        self._send("ack", worker, {"index": self.get_worker_index(worker)})
        node = self.clients[worker] = WorkerNode(worker)
        node.state = STATE_INIT
        if self._users_dispatcher is not None:
            self._users_dispatcher.add_worker(worker_node=node)
        self._listener.on_worker_joined(node_of(worker), worker)

    @staticmethod
    def _set_state(worker: WorkerNode, state: str) -> None:
        if worker.state != STATE_MISSING:  # from there only its node's return leads back
            worker.state = state

    def _note_stopped(self) -> None:
        if self.state == STATE_STOPPING and all(client.state == STATE_MISSING for client in self.clients.values()):
            self._all_stopped.set()

    def _remove(self, worker: str) -> None:
        client = self.clients[worker]
        del self.clients[worker]
        if self._users_dispatcher is not None:
            self._users_dispatcher.remove_worker(client)

    def _send(self, kind: str, worker: str, data: Any = None) -> None:
        self.server.send_to_client(Message(kind, data, worker))

    def heartbeat_worker(self) -> None:
        """Nothing: a node's agent answers for the node."""

    def monitor_cpu_and_memory(self) -> None:
        """Nothing: the controller has an agent of its own."""
