"""A played fleet that takes rows: real lease book, real stocks, and everything between them that can go wrong, in virtual time."""

from __future__ import annotations

import random
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field

from master.data.lease_book import Grant, LeaseBook, StoredBook, StoredHolding
from worker.load.rows.spans import Span
from worker.load.rows.stock import Stock

LOST_AFTER = 3
"""Ticks after which a node that is not heard of counts as lost."""


@dataclass
class Trouble:
    """How often, in each tick and of each node, what goes wrong does; the controller's is by tick alone."""

    die: float = 0.01
    freeze: float = 0.02
    thaw: float = 0.3
    restart: float = 0.3
    lose_lease: float = 0.05
    lie: float = 0.02
    crash: float = 0.03
    idle: float = 0.2
    """Nodes that get no users at first."""


@dataclass
class Node:
    """One worker process; a restart makes another one of the same name."""

    name: str
    incarnation: int
    stock: Stock[None] = field(default_factory=lambda: Stock("accounts", 2))
    alive: bool = True
    frozen: bool = False
    joined: bool = False
    users: bool = False
    unheard: int = 0
    waiting: int = 0
    reports: deque[tuple[int, list[Span], list[Span]]] = field(default_factory=deque)
    number: int = 0

    def make_report(self) -> None:
        self.stock.give_back_surplus(0.0)
        said = self.stock.pop_used()
        self.number += 1
        self.reports.append((self.number, said.used if said else [], said.returned if said else []))


class Fleet:
    """Plays ticks of a second. `used` counts how often each number was given to a user, whoever knows of it."""

    def __init__(self, rows: int, nodes: int, seed: int, trouble: Trouble, *, endless: bool = False) -> None:
        self.random = random.Random(seed)
        self.trouble = trouble
        self.rows = rows
        self.endless = endless
        self.book = LeaseBook(rows, endless=endless)
        self.nodes = [Node(f"pi{number:03}_0", number * 1000) for number in range(nodes)]
        self.used: Counter[int] = Counter()
        self.accepted: defaultdict[tuple[str, int], int] = defaultdict(int)
        self.told_end: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.now_s = 100.0
        self._stored: tuple[StoredBook, list[StoredHolding], dict[tuple[str, int], int]] | None = None
        self._holders: set[tuple[str, int]] = set()
        for node in self.nodes:
            node.users = self.random.random() > trouble.idle

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def tick(self, takes: int = 3) -> None:
        """One second of the fleet, and the controller's tick at its end."""
        self.now_s += 1
        for node in self.nodes:
            self._play(node, takes)
        grants = list(self.book.grants(self.now_s))
        recalls, ends = self.book.recalls(self.now_s), self.book.ends()
        self._commit()
        if self.chance(self.trouble.crash):
            self._crash(sent=self.random.randrange(len(grants) + 1), grants=grants)
            return
        self._send(grants)
        by_name = {node.name: node for node in self.nodes}
        for worker in recalls:
            if (node := by_name[worker]).alive and not node.frozen:
                node.stock.give_back_all()
                node.make_report()
                self._ask(node)
        for worker in ends:
            self.told_end[worker] += by_name[worker].waiting
            by_name[worker].waiting = 0

    def _play(self, node: Node, takes: int) -> None:
        if not node.alive:
            if self.chance(self.trouble.restart):
                self._restart(node)
            return
        self._upset(node)
        if not node.alive:
            return
        if node.frozen:
            node.unheard += 1
            if node.unheard == LOST_AFTER:
                self.book.lose(node.name)
                node.joined = False
            return
        if not node.joined:
            self.book.join(node.name, node.incarnation)
            if node.users:
                self.book.note_users(node.name)
            node.joined = True
        node.unheard = 0
        if not node.users and self.chance(0.05):
            node.users = True
            self.book.note_users(node.name)
        if node.users:
            self._take(node, self.random.randint(0, takes))
        if self.chance(0.5):
            node.make_report()
        self._deliver(node)
        self._ask(node)

    def _take(self, node: Node, count: int) -> None:
        node.waiting = min(node.waiting + count, 20)
        while node.waiting and (taken := node.stock.take(self.now_s)) is not None:
            self.used[taken[0]] += 1
            node.waiting -= 1

    def _upset(self, node: Node) -> None:
        trouble = self.trouble
        if node.frozen:
            node.frozen = not self.chance(trouble.thaw)
        elif self.chance(trouble.freeze):
            node.frozen = True
        if self.chance(trouble.die):
            node.alive = False
            self._deliver(node, some=True)  # what was on its way arrives, perhaps
            if self.chance(0.5):
                self.book.end(node.name)
            else:
                self.book.lose(node.name)
        elif self.chance(trouble.lie):
            first = self.random.randrange(max(1, self.rows))
            claim = [(first, first + self.random.randint(1, 5))]
            mine = self.book.holding((node.name, node.incarnation))
            if mine is None or not any(a < claim[0][1] and claim[0][0] < b for a, b in mine.out):
                used, returned = (claim, []) if self.chance(0.5) else ([], claim)
                fault = self.book.report(node.name, node.incarnation, used, returned)
                assert fault is not None
                self.faults[fault] += 1

    def _restart(self, node: Node) -> None:
        index = self.nodes.index(node)
        self.nodes[index] = Node(node.name, node.incarnation + 1, users=node.users)

    def _deliver(self, node: Node, *, some: bool = False) -> None:
        """The reports that are not acknowledged arrive, now and then once more."""
        key = node.name, node.incarnation
        for number, used, returned in list(node.reports):
            if some and self.chance(0.5):
                return
            if number == self.accepted[key] + 1:
                self.accepted[key] = number
                fault = self.book.report(*key, used, returned)
                assert fault is None, fault

    def _ask(self, node: Node) -> None:
        wanted = node.stock.lacking(node.waiting, self.now_s)
        self.book.request(node.name, node.incarnation, node.stock.received, wanted, node.waiting)

    def _send(self, grants: list[Grant]) -> None:
        by_name = {node.name: node for node in self.nodes}
        for grant in grants:
            node = by_name[grant.worker]
            holding = self.book.holding((node.name, node.incarnation))
            mine = holding is not None and grant.number in holding.unreceived
            if not mine or not node.alive or node.frozen or self.chance(self.trouble.lose_lease):
                continue
            numbers = [number for first, end in grant.spans for number in range(first, end)]
            node.stock.receive(grant.number, [(number, None) for number in numbers], self.now_s)
            while node.users and node.waiting and (taken := node.stock.take(self.now_s)) is not None:
                self.used[taken[0]] += 1
                node.waiting -= 1

    def _commit(self) -> None:
        self._holders |= self.book.dirty
        self.book.dirty.clear()
        holdings = [found for holder in self._holders if (found := self.book.holding(holder)) is not None]
        self._stored = self.book.state(), holdings, dict(self.accepted)
        for node in self.nodes:
            accepted = self.accepted[node.name, node.incarnation]
            while node.reports and node.reports[0][0] <= accepted:
                node.reports.popleft()

    def _crash(self, sent: int, grants: list[Grant]) -> None:
        """The controller dies when it has sent some of what it stored; another one goes on."""
        self._send(grants[:sent])
        assert self._stored is not None
        state, holdings, accepted = self._stored
        self.book = LeaseBook.restored(self.rows, state, holdings, endless=self.endless)
        self.accepted = defaultdict(int, accepted)
        for node in self.nodes:
            node.joined = False

    def settle(self, ticks: int = 12) -> None:
        """No more trouble, no more use: what is alive reports to the end."""
        self.trouble = Trouble(0, 0, 1, 0, 0, 0, 0, 0)
        for _ in range(ticks):
            self.tick(takes=0)
        for node in self.nodes:
            if node.alive:
                node.waiting = 0
                node.stock.give_back_all()
                node.make_report()
                self._deliver(node)
                self.book.request(node.name, node.incarnation, node.stock.received, 0, 0)
