"""Rows are handed out in step with what is stored, and what workers say of them is held against what they were leased."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from master.data.handout import MAX_WORKER_BYTES, UNKNOWN_ROW, UNKNOWN_TABLE, WITHOUT_USERS_TICKS, Ends, RowsHandout
from master.data.lease_book import NOT_LEASED, UNKNOWN_LEASE
from master.data.table_file import TableFile
from master.errors import InputError
from master.fleet.refusals import Refusals
from master.judge.seconds.stopped_users import REPORTED_AFTER_S, STOPPED_USERS_KEY, StoppedUsers
from master.scenario import Scenario, Stage
from master.scenario.model import DataSource
from master.store import Store
from worker.wire.rows import AtEnd, RowsLease, RowsRequest, RowsUsed, Use
from worker.wire.work import UserShare

ROWS = 4000
"""More than is sent to each worker at once."""


class Controller:
    """One controller after the other on one run.db."""

    def __init__(self, folder: Path, use: Use = Use.UNIQUE, at_end: AtEnd = AtEnd.STOP_USER, rows: int = ROWS) -> None:
        self.file = folder / "accounts.csv"
        if not self.file.exists():
            self.file.write_text("user,word\n" + "".join(f"user{row:05},secret{row:05}\n" for row in range(rows)))
        self.scenario = Scenario(
            "rows",
            "embedded",
            {"Visitor": UserShare(weight=1), "Other": UserShare(weight=1)},
            (Stage(10, 10, 60),),
            data={"accounts": DataSource(self.file, use, at_end)},
        )
        database = folder / "run.db"
        self.store = Store(database, create=not database.exists())
        self.table = TableFile(self.file)
        self.refused: Counter[str] = Counter()
        self.events: list[tuple[str, str | None, str]] = []
        self.sent: list[tuple[str, str, Any]] = []
        self.ended: list[str] = []
        self.now_s = 10.0
        self.handout = RowsHandout(
            self.scenario,
            {"accounts": self.table},
            self.store,
            Refusals(self.refused, self._event),
            self._event,
        )
        self.handout.send = lambda worker, kind, data: self.sent.append((worker, kind, data))
        self.handout.set_ends(
            Ends(lambda: self.ended.append("run"), lambda name: len(self.ended.append(name) or name), self.ended.append)
        )

    def _event(self, kind: str, node: str | None, detail: str) -> None:
        self.events.append((kind, node, detail))

    def join(self, *workers: str) -> None:
        for worker in workers:
            self.handout.join(worker, 1)
            self.handout.note_users(worker)

    def ask(self, worker: str, received: int = 0, wanted: int = 2, **more: Any) -> None:
        self.handout.request(worker, RowsRequest("accounts", 1, received, wanted, **more))

    def tick(self) -> list[tuple[str, str, Any]]:
        """Return what is sent."""
        self.now_s += 1
        self.handout.work_out(self.now_s)
        self.handout.store()
        self.store.commit()
        assert self.sent == [], "nothing is sent before it is stored"
        self.handout.send_granted(self.now_s - 10)
        sent, self.sent[:] = list(self.sent), []
        return sent

    def report(
        self, worker: str, used: list[tuple[int, int]], returned: Sequence[tuple[int, int]] = (), **more: Any
    ) -> None:
        self.handout.report(worker, 1, [RowsUsed("accounts", used, [*returned], **more)], self.now_s - 10)

    def close(self) -> None:
        self.store.close()
        self.table.close()


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[Controller]:
    made = Controller(tmp_path)
    yield made
    made.close()


def result(controller: Controller) -> dict[str, Any]:
    (table,) = controller.handout.results()
    return {name: getattr(table, name) for name in table.__struct_fields__}


def test_a_lease_has_the_rows_as_they_stand_in_the_file(controller: Controller) -> None:
    """Numbers and content go together, and the next worker gets the next ones."""
    controller.join("a_0", "b_0")
    controller.ask("a_0")
    controller.ask("b_0", wanted=1)
    first = RowsLease("accounts", 1, [(0, 2)], b"user00000,secret00000\nuser00001,secret00001\n")
    assert controller.tick() == [
        ("a_0", "rows", first),
        ("b_0", "rows", RowsLease("accounts", 1, [(2, 3)], b"user00002,secret00002\n")),
    ]


def test_another_controller_goes_on_behind_what_was_leased_and_sends_again_what_was_lost(tmp_path: Path) -> None:
    """What was stored and not sent comes again, and no row is leased to another worker."""
    one = Controller(tmp_path)
    one.join("a_0", "b_0")
    one.ask("a_0")
    sent = one.tick()
    one.report("a_0", [(0, 1)], taken=1)
    one.tick()
    one.close()
    other = Controller(tmp_path)
    assert result(other)["unsure"] == 1
    other.join("a_0", "b_0")
    other.ask("b_0")
    other.ask("a_0", received=0, wanted=3)
    again = other.tick()
    assert sent[0][2].spans == [(0, 2)]
    assert [(worker, lease.number, lease.spans) for worker, _, lease in again] == [
        ("b_0", 1, [(2, 4)]),
        ("a_0", 1, [(0, 2)]),
        ("a_0", 2, [(4, 5)]),
    ]
    assert (result(other)["used"], result(other)["taken"]) == (1, 1)
    other.close()


def test_a_file_that_was_changed_since_the_run_began_is_refused(tmp_path: Path) -> None:
    """Rows are numbered by the file that the run began with."""
    one = Controller(tmp_path)
    one.join("a_0")
    one.ask("a_0")
    one.tick()
    one.close()
    one.file.write_text(one.file.read_text() + "new,row\n")
    with pytest.raises(InputError, match="is not as it was when the run began"):
        Controller(tmp_path)


def test_a_file_that_changes_in_mid_run_ends_the_run_by_name(controller: Controller) -> None:
    """Nothing that is read from it after that is sent."""
    controller.join("a_0")
    controller.ask("a_0")
    controller.file.write_text("user,word\n")
    assert controller.tick() == []
    assert controller.ended == [f"{controller.file} was changed in mid-run"]


def test_claims_on_what_was_not_leased_are_refused_and_named(controller: Controller) -> None:
    """A hostile worker gets no other one's rows, can't give them back, and is told of by its node."""
    controller.join("a_0", "evil_0")
    controller.ask("a_0")
    controller.tick()
    controller.report("evil_0", [(0, 1)])
    controller.report("evil_0", [], [(1, 2)])
    controller.handout.report("evil_0", 1, [RowsUsed("other", [], [])], 1.0)
    controller.handout.request("evil_0", RowsRequest("other", 1, 0))
    controller.ask("evil_0", received=3)
    assert controller.tick() == []
    assert controller.refused == {NOT_LEASED: 2, UNKNOWN_TABLE: 2, UNKNOWN_LEASE: 1}
    assert {node for _, node, _ in controller.events} == {"evil"}
    controller.report("a_0", [(0, 2)])
    assert result(controller)["used"] == 2
    assert controller.refused[NOT_LEASED] == 2


def test_users_that_get_no_row_are_told_when_nobody_has_one_left(tmp_path: Path) -> None:
    """Others are asked to give back first; the end is an event, and those that were stopped are counted with their second."""
    controller = Controller(tmp_path, rows=3)
    controller.join("a_0", "b_0")
    controller.ask("a_0", wanted=3, waiting={"Visitor": 1})
    ((_, _, lease),) = controller.tick()
    assert lease.spans == [(0, 1)]
    controller.ask("b_0", wanted=3, waiting={"Visitor": 2, "no class of this run": 1})
    controller.tick()
    controller.ask("a_0", received=1, wanted=1, waiting={"Visitor": 1})
    assert controller.tick() == [("a_0", "rows_recall", "accounts"), ("b_0", "rows_recall", "accounts")]
    controller.report("a_0", [(0, 1)])
    controller.report("b_0", [(1, 3)])
    assert controller.tick() == [("a_0", "rows", RowsLease("accounts", 0, [], ended=True))]
    controller.report("a_0", [], stopped={"Visitor": 1, "no class of this run": 5})
    assert result(controller)["stopped_users"] == 1
    assert controller.events == [("data ended", None, "accounts: all 3 rows are used; users that get none are stopped")]
    controller.tick()
    kept = StoppedUsers.unpack(controller.store.meta(STOPPED_USERS_KEY))
    assert [kept.before(second - REPORTED_AFTER_S) for second in (3, 4, 9)] == [0, 1, 1]
    controller.close()


@pytest.mark.parametrize(
    ("at_end", "ended"), [(AtEnd.STOP_RUN, ["run"]), (AtEnd.STOP_CLASS, ["Other", "Visitor"]), (AtEnd.STOP_USER, [])]
)
def test_the_end_of_the_data_ends_what_the_scenario_says(tmp_path: Path, at_end: AtEnd, ended: list[str]) -> None:
    """The run, the classes of the users that got no row, each once, or those users alone; also under the next controller."""
    controller = Controller(tmp_path, at_end=at_end, rows=1)
    controller.join("a_0")
    controller.ask("a_0", wanted=1, waiting={"Visitor": 1})
    controller.tick()
    controller.report("a_0", [(0, 1)])
    for _ in range(2):
        controller.ask("a_0", received=1, wanted=1, waiting={"Visitor": 1, "Other": 1, "unknown": 1})
        controller.tick()
    assert list(dict.fromkeys(controller.ended)) == ended
    controller.tick()
    controller.close()
    if at_end is AtEnd.STOP_CLASS:
        other = Controller(tmp_path, at_end=at_end)
        assert other.ended == ended
        other.close()


def test_the_run_ends_when_no_user_is_left_for_want_of_rows(tmp_path: Path) -> None:
    """Not while users are still to come, nor in a pause that the plan has."""
    controller = Controller(tmp_path, rows=1)
    controller.report("a_0", [], stopped={"Visitor": 1})
    for users, planned in ((0, 5), (3, 5), (0, 0)):
        for _ in range(2 * WITHOUT_USERS_TICKS):
            controller.handout.note_running(users, planned)
    assert controller.ended == []
    for _ in range(2 * WITHOUT_USERS_TICKS):
        controller.handout.note_running(0, 5)
    assert controller.ended == ["run"]
    controller.close()


def test_random_rows_are_sent_at_once_and_no_more_than_a_worker_may_have(tmp_path: Path) -> None:
    """Those drawn come in their order; what is asked for too fast, or is no row, is not sent."""
    controller = Controller(tmp_path, Use.RANDOM)
    controller.join("a_0")
    controller.ask("a_0", wanted=0, draws=[7, 3, 7])
    ((_, _, lease),) = controller.sent
    assert (lease.number, lease.spans) == (0, [(0, 3)])
    assert lease.content == b"user00007,secret00007\nuser00003,secret00003\nuser00007,secret00007\n"
    controller.ask("a_0", draws=[ROWS])
    assert controller.refused == {UNKNOWN_ROW: 1}
    controller.sent.clear()
    for _ in range(200):
        controller.ask("a_0", draws=[1] * 1000)
    assert sum(len(lease.content) for _, _, lease in controller.sent) <= MAX_WORKER_BYTES + 22_000
    controller.close()


def test_a_small_table_is_sent_once_to_each_worker_that_wants_it(tmp_path: Path) -> None:
    """As a whole, after which leases have no content."""
    controller = Controller(tmp_path, Use.CYCLE, rows=2)
    controller.join("a_0")
    controller.ask("a_0", wanted=5, whole=True)
    assert controller.tick() == [
        ("a_0", "rows", RowsLease("accounts", 1, [(0, 5)])),
        ("a_0", "rows", RowsLease("accounts", 0, [], b"user00000,secret00000\nuser00001,secret00001\n")),
    ]
    assert controller.tick() == []
    assert result(controller)["used"] is None
    controller.close()
