"""The Locust master of piswarm: a MasterRunner on the encrypted port, fed by typed messages."""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Protocol

import gevent
from gevent.event import Event
from locust.env import Environment
from locust.rpc import Message
from locust.runners import (
    STATE_INIT,
    STATE_RUNNING,
    STATE_SPAWNING,
    STATE_STOPPED,
    STATE_STOPPING,
    MasterRunner,
    WorkerNode,
)

from master.fleet.dispatch import Dispatch
from master.fleet.kept_users import KeptUsers
from master.fleet.server import AGENT, FleetServer
from worker.wire.messages import (
    AgentMessage,
    ArrivalDeal,
    Hello,
    ProjectMessage,
    Quit,
    Ready,
    RunEndRequest,
    UsersRunning,
    node_of,
)
from worker.wire.reports import Report
from worker.wire.rows import RowsRequest
from worker.wire.work import UserShare

logger = logging.getLogger(__name__)

RAMP_REPORT_TIMEOUT_S = 3.0
"""How long after its last order a ramp waits for the workers to say that their users run."""
RAMP_STEP_S = 0.1
STOP_RETRY_S = 2.0
ORDER_RETRY_S = 6.0
"""An order that a worker's reports show no trace of after so long is given again."""


class Listener(Protocol):
    """Callbacks for what arrives."""

    def on_agent(self, node: str, message: AgentMessage) -> None:
        """An agent has sent a message."""

    def capacity_of(self, node: str) -> float:
        """How much a node is to carry now, compared to others; above 0."""

    def on_worker_joined(self, node: str, worker: str, ready: Ready) -> int:
        """A worker has joined; the number of the last of its reports that was accepted, 0 for none."""

    def on_worker_left(self, node: str, worker: str) -> None:
        """A worker has left in mid-run."""

    def on_worker_gone(self, worker: str) -> None:
        """Nothing is heard of a worker any more, unless it joins again."""

    def on_rows_request(self, worker: str, request: RowsRequest) -> None:
        """A worker wants data rows."""

    def on_users(self, node: str, users: bool) -> None:
        """Whether users are ordered to run on a node has changed."""

    def on_order(self, worker: str, users: Mapping[str, int]) -> None:
        """A worker is ordered to run so many users of each class."""

    def on_deal(self, worker: str, deal: ArrivalDeal) -> None:
        """A worker is dealt arrivals of the open model."""

    def credible_users(self, worker: str, users: Mapping[str, int]) -> Mapping[str, int]:
        """Of the users that a worker says that it runs, those that it can be running."""

    def on_report(self, worker: str, report: Report) -> None:
        """A worker has reported."""

    def on_run_end_request(self, worker: str, reason: str, *, by_plan: bool) -> None:
        """A worker asks for the run to end, for what its locustfile has done; `by_plan` is a normal end of the test."""

    def on_project_message(self, worker: str, message: ProjectMessage) -> None:
        """The locustfile on a worker has sent a message to its master side."""


class FleetMaster(MasterRunner):
    """Drives the workers of a fleet. Locust's dispatcher, statistics and heartbeats are unused.

    Whether a node lives is its agent's to say.

    An order names the users of each class that a worker shall run, so it may be given twice, or again to one that was gone.
    """

    server: Any

    def __init__(
        self,
        environment: Environment,
        *,
        server: FleetServer,
        listener: Listener,
        shares: Mapping[str, UserShare],
        run: str,
        keep_users_s: float | None = None,
    ) -> None:
        """`run` is the run's name: workers of another one are dropped.

        In the open model a worker that is to run fewer users keeps those that it has for another `keep_users_s`, since they have
        arrivals to start that they were dealt already; and users count as running when they are ready for arrivals. None: closed.
        """
        # The base opens a plain port of its own. Nothing yields between its return and the swap, so nobody is ever served there.
        super().__init__(environment, "127.0.0.1", 0)
        self.server.close(linger=0)
        self.server = server
        self._listener = listener
        self._dispatch = Dispatch(shares)
        self._run = run
        self._open_model = keep_users_s is not None
        self._kept = KeptUsers(keep_users_s or 0.0)
        self._ordering_again: set[str] = set()
        self._ramp: gevent.Greenlet | None = None
        self._spawn_rate = 1.0
        self._all_stopped = Event()
        self._workers_of: defaultdict[str, set[str]] = defaultdict(set)
        self._drained: set[str] = set()
        """Nodes that are lost, or may run no users."""
        self._orders = 0
        self._ordered: dict[str, tuple[int, float]] = {}
        """Each worker's last order: its number, and when it was given."""
        self._incarnations: dict[str, int] = {}
        self._ended: defaultdict[str, Counter[str]] = defaultdict(Counter)
        """Of each worker the users that have ended by themselves since it began. Its orders include them."""
        self._finished: set[str] = set()
        """Workers that have stopped."""
        self._running = 0
        self._stop_sent_s: dict[str, float] = {}

    @property
    def user_count(self) -> int:
        """How many users run, as the workers last said, or have run and come to an end by themselves."""
        return self._running + self._dispatch.ended

    @property
    def users_running(self) -> int:
        """How many users run, as the workers last said."""
        return self._running

    def ramp_to(self, users: int, spawn_rate: float, classes: Collection[str] | None = None) -> gevent.Greenlet:
        """Start or stop users until `users` run, `spawn_rate` per second; a ramp still under way is cut off.

        Users that are started are of these `classes`; None: of all.
        """
        self._dispatch.choose(classes)
        if self._ramp is not None:
            self._ramp.kill()
        self._spawn_rate = spawn_rate
        self._ramp = gevent.spawn(self._ramp_to, users, spawn_rate)
        return self._ramp

    def _ramp_to(self, users: int, spawn_rate: float) -> None:
        self.target_user_count = users
        if self.state == STATE_INIT:
            self.environment.events.test_start.fire(environment=self.environment)
        self.update_state(STATE_SPAWNING)
        began_s, start = time.monotonic(), self._dispatch.wanted
        step_s = max(RAMP_STEP_S, 1 / spawn_rate)
        due_s = began_s + step_s
        while self._dispatch.wanted != users:
            gevent.sleep(max(0.0, due_s - time.monotonic()))
            due_s += step_s
            passed = int((time.monotonic() - began_s) * spawn_rate + 1e-6)
            now = min(users, start + passed) if users > start else max(users, start - passed)
            self._order(self._dispatch.set_total(now))
            if self._dispatch.wanted != now:
                self._order(self._dispatch.set_total(users))  # the mix of users allows no more, until more nodes come
                break
        with gevent.Timeout(RAMP_REPORT_TIMEOUT_S, False):  # gevent's way to say: just leave the block
            while self.user_count != users:
                gevent.sleep(0.05)
        self.update_state(STATE_RUNNING)
        self.environment.events.spawning_complete.fire(user_count=users)
        self.send_message("spawning_complete", data={"user_count": users})

    def _order(self, workers: Iterable[str]) -> None:
        for worker in workers:
            self._orders += 1
            self._ordered[worker] = (self._orders, time.monotonic())
            placed = self._dispatch.users.get(worker, dict.fromkeys(self.user_classes_by_name, 0))
            ended = self._ended[worker]
            wanted = {
                name: count + ended[name] - self._dispatch.ended_of(worker, name) for name, count in placed.items()
            }
            users, again_s = self._kept.order(worker, wanted, time.monotonic())
            if again_s is not None and worker not in self._ordering_again:
                self._ordering_again.add(worker)
                gevent.spawn_later(again_s, self._order_again, worker)
            order = {
                "timestamp": self._orders,  # Locust's name for it; a worker drops an order that is not later than its last
                "user_classes_count": users,
                "host": self.environment.host,
                "stop_timeout": self.environment.stop_timeout,
                "parsed_options": {},
            }
            self._send("spawn", worker, order)
            self._listener.on_order(worker, users)
            node = node_of(worker)
            self._listener.on_users(node, any(self._has_users(other) for other in self._workers_of[node]))

    def _order_again(self, worker: str) -> None:
        self._ordering_again.discard(worker)
        if self._has_load and worker in self._dispatch.users:
            self._order([worker])

    def end_class(self, name: str) -> int:
        """Stop all users of a class, for the rest of the run; how many there were."""
        users = self._dispatch.count_of(name)
        changed = self._dispatch.close_class(name)
        if self._has_load:
            self._order(changed)
        return users

    def ready_users(self) -> dict[str, dict[str, int]]:
        """The users of each class that each worker is to run and has reported to be ready, of the workers that have any."""
        ready = {}
        for worker, placed in self._dispatch.users.items():
            client = self.clients.get(worker)
            reported = {} if client is None else client.user_classes_count
            users = {name: min(count, reported.get(name, 0)) for name, count in placed.items()}
            if any(users.values()):
                ready[worker] = users
        return ready

    def deal(self, worker: str, deal: ArrivalDeal) -> None:
        """Deal arrivals of the open model to a worker."""
        self._listener.on_deal(worker, deal)
        self._send("arrivals", worker, deal)

    def send_project_message(self, message: ProjectMessage, worker: str | None = None) -> None:
        """Send a message of the locustfile's master side to a worker; to all of them where none is named."""
        for each in list(self.clients) if worker is None else [worker]:
            self._send("project_message", each, message)

    def _has_users(self, worker: str) -> bool:
        return any(self._dispatch.users.get(worker, {}).values())

    def rebalance(self, span_s: float) -> None:
        """Move users to workers that have too few, as many as the ramp's rate allows in `span_s`, one at least."""
        if self.state == STATE_RUNNING:
            self._order(self._dispatch.rebalance(max(1, int(self._spawn_rate * span_s))))

    def finish(self, timeout_s: float) -> list[str]:
        """Stop all users and wait for the final reports; returns the workers from which none came in time.

        Lost nodes are not waited for.
        """
        if self._ramp is not None:
            self._ramp.kill()
        self.update_state(STATE_STOPPING)
        for worker in list(self.clients):
            self._stop(worker)
        self._check_all_stopped()
        self._all_stopped.wait(timeout=timeout_s)
        self.update_state(STATE_STOPPED)
        return sorted(set(self._incarnations) - self._finished)

    def send_quit(self) -> None:
        """Tell every worker and every agent that the run is over."""
        for identity in self.server.identities:
            if identity == node_of(identity):
                self.server.send_to_agent(identity, Quit())
            else:
                self._send("quit", identity)

    def close(self) -> None:
        """End the runner's greenlets; the port stays its owner's."""
        self.greenlet.kill(block=True)

    def drain_node(self, node: str) -> int:
        """Give a node no more users, and start those that it had elsewhere at once. Returns how many that were."""
        self._drained.add(node)
        moved = self._release_users(node, sorted(self._workers_of[node]))
        self._listener.on_users(node, users=False)
        self._check_all_stopped()
        return moved

    def forget_workers(self, node: str) -> None:
        """The workers of a lost node are not known any more: should they come back, they have to join again."""
        for worker in sorted(self._workers_of[node]):
            self._listener.on_worker_gone(worker)
            self.remove_worker(worker)

    def remove_worker(self, worker: str) -> int:
        """A worker has ended; the users that it had start elsewhere at once. Returns how many that were."""
        moved = self._release_users(node_of(worker), [worker])
        if self.clients.pop(worker, None) is not None:
            self._workers_of[node_of(worker)].discard(worker)
            self._check_all_stopped()
        return moved

    def _release_users(self, node: str, workers: Iterable[str]) -> int:
        moved = 0
        for worker in workers:
            self._kept.forget(worker)
            moved += self._dispatch.remove(worker)
            self._count_users(worker, {})
        self.update_capacity(node)
        if self._has_load:
            self._order(self._dispatch.fill())
        return moved

    def recount_users(self) -> None:
        """What workers have last said of their users counts no more; what they say next does."""
        for worker in self.clients:
            self._count_users(worker, {})

    def may_run_users(self, node: str) -> bool:
        """Whether a node may run users; not between `drain_node` and `readmit_node`."""
        return node not in self._drained

    def readmit_node(self, node: str) -> None:
        """A node may have users again. Those that it still runs end: others have accepted them over; new ones come little by little."""
        self._drained.discard(node)
        for worker in sorted(self._workers_of[node]):
            self._add_worker(worker)

    def update_capacity(self, node: str) -> None:
        """What a node is to carry has changed: its workers share it, and `rebalance` moves users accordingly, little by little."""
        workers = [worker for worker in sorted(self._workers_of[node]) if worker in self._dispatch.users]
        for worker in workers:
            self._dispatch.add(worker, self._listener.capacity_of(node) / len(workers))

    def _add_worker(self, worker: str) -> None:
        self._dispatch.add(worker)
        self.update_capacity(node_of(worker))
        changed = {worker}
        if self._has_load:
            changed |= self._dispatch.fill()
            self._order(changed)

    def handle_message(self, client_id: str, msg: Message) -> None:
        """Act on one message that the server has admitted. Whatever it leads to, the next one is handled."""
        try:
            self._act_on(client_id, msg)
        except Exception:
            self.server.drops["message that could not be acted on"] += 1
            logger.exception("%s from %s", msg.type, client_id)

    def _act_on(self, client_id: str, msg: Message) -> None:  # noqa: C901, PLR0912  # it is the list of what a peer may say
        match msg.type:
            case kind if kind == AGENT:
                self._listener.on_agent(client_id, msg.data)
                if isinstance(msg.data, Hello):
                    self.update_capacity(client_id)
            case "client_ready":
                self._on_worker_ready(client_id, msg.data)
            case "end_run":
                self._on_run_end_request(client_id, msg.data)
            case _ if client_id not in self.clients:
                if self.state != STATE_STOPPED:
                    self._send("rejoin", client_id)  # its controller was another one, or had given it up
            case "stats":
                self._retry_order(client_id, msg.data)
                self._note_ended(client_id, msg.data.ended)
                msg.data.users = self._count_users(client_id, msg.data.users)
                self._listener.on_report(client_id, msg.data)
                if self.state == STATE_STOPPING:
                    self._retry_stop(client_id)
            case "spawning_complete":
                self._on_spawned(client_id, msg.data)
            case "project_message":
                self._listener.on_project_message(client_id, msg.data)
            case "rows_request":
                self._listener.on_rows_request(client_id, msg.data)
            case "client_stopped" | "quit":
                self._finished.add(client_id)
                self._listener.on_worker_gone(client_id)
                self.remove_worker(client_id)
                if self.state != STATE_STOPPING:
                    self._listener.on_worker_left(node_of(client_id), client_id)

    def _on_worker_ready(self, worker: str, ready: Ready) -> None:
        if ready.run != self._run:
            self.server.drops["worker of another run"] += 1  # its agent ends it, as soon as it is assigned to this run
            return
        accepted = self._listener.on_worker_joined(node_of(worker), worker, ready)
        if self._incarnations.get(worker) != ready.incarnation:
            self._incarnations[worker] = ready.incarnation
            self._finished.discard(worker)
            self._ended.pop(worker, None)
            self.remove_worker(worker)  # the one of that name that there was
        if worker not in self.clients:
            self.clients[worker] = WorkerNode(worker)
            self.clients[worker].user_classes_count = {}
        self._workers_of[node_of(worker)].add(worker)
        self._send("ack", worker, {"index": self.get_worker_index(worker), "acknowledged": accepted})
        if self.state == STATE_STOPPING:
            self._stop(worker)
        elif node_of(worker) not in self._drained:
            self._add_worker(worker)

    def _on_spawned(self, worker: str, running: UsersRunning) -> None:
        self._note_ended(worker, running.ended)
        # In the open model they may be in their on_start still: a report says when they are not.
        if not self._open_model:
            self._count_users(worker, running.user_classes_count)

    def _note_ended(self, worker: str, ended: Mapping[str, int]) -> None:
        known = self._ended[worker]
        for name, count in ended.items():
            if count > known[name]:
                self._dispatch.note_ended(worker, name, count - known[name])
                known[name] = count

    def _on_run_end_request(self, worker: str, request: RunEndRequest) -> None:
        if request.run == self._run:
            self._listener.on_run_end_request(worker, request.reason, by_plan=request.by_plan)
        else:
            self.server.drops["worker of another run"] += 1

    def acknowledge(self, worker: str, number: int) -> None:
        """A worker's reports up to `number` are stored: it need not keep them."""
        self._send("acknowledged", worker, number)

    def _count_users(self, worker: str, users: Mapping[str, int]) -> Mapping[str, int]:
        """Note what a worker says that it runs; what of it is credible."""
        credible = self._listener.credible_users(worker, users) if users else users
        client = self.clients.get(worker)
        if client is not None:
            counts = {} if node_of(worker) in self._drained else dict(credible)
            self._running += sum(counts.values()) - sum(client.user_classes_count.values())
            client.user_classes_count = counts
        return credible

    def _stop(self, worker: str) -> None:
        self._stop_sent_s[worker] = time.monotonic()
        self._send("stop", worker)

    def _retry_stop(self, worker: str) -> None:
        """A worker that still reports, with users, may not have received the stop."""
        client = self.clients.get(worker)
        late = time.monotonic() > self._stop_sent_s.get(worker, 0.0) + self.environment.stop_timeout + STOP_RETRY_S
        if late and client is not None and client.user_classes_count:
            self._stop(worker)

    def _retry_order(self, worker: str, report: Report) -> None:
        """Give an order again that was lost, with a connection say."""
        number, given_s = self._ordered.get(worker, (0, 0.0))
        if not number and self.state != STATE_STOPPING and any(report.users.values()):
            self._order([worker])  # another controller's order: here it has been given none
        elif report.order < number and time.monotonic() > given_s + ORDER_RETRY_S and self._has_load:
            self._order([worker])

    @property
    def _has_load(self) -> bool:
        """Whether there is load to be ordered."""
        return self.state in (STATE_SPAWNING, STATE_RUNNING)

    def _check_all_stopped(self) -> None:
        if self.state == STATE_STOPPING and all(node_of(worker) in self._drained for worker in self.clients):
            self._all_stopped.set()

    def _send(self, kind: str, worker: str, data: Any = None) -> None:
        self.server.send_to_worker(worker, kind, data)

    def heartbeat_worker(self) -> None:  # type: ignore[override]  # Locust's never returns
        """Nothing: a node's agent answers for the node."""

    def monitor_cpu_and_memory(self) -> None:  # type: ignore[override]  # Locust's never returns
        """Nothing: the controller has an agent of its own."""
