"""PoOT over HTTP, on the real target: records of work, scores, batches on the chain, payments, and many nodes at once."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPException
from typing import Any

import pytest
from processes import Reply, Target

from master.target.poot.scores import Trust, add_work, recent_units, score_ppm

pytestmark = pytest.mark.poot_calculation

HARDWARE = {"model": "Raspberry Pi 5 Model B Rev 1.0", "cpu_count": 4, "memory_mb": 8063}
BLOCK_TIME = "--block-time=0.3"
PPM = 1_000_000
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def target(database_options: list[str]) -> Iterator[Target]:
    with Target(BLOCK_TIME, *database_options) as started:
        yield started


@pytest.fixture
def node(target: Target, account: str) -> str:
    """The name of a new node that the account has registered."""
    name = f"poot-{next(_numbers)}"
    assert target.ask("POST", "/nodes", {"name": name, **HARDWARE}, account).status == 201
    return name


def work(node: str, minutes_ago: int = 0, **changes: Any) -> dict[str, Any]:
    """A record of one minute's work."""
    ended_at = time.time() - 60 * minutes_ago - 1
    return {
        "node": node,
        "kind": "relay",
        "units": 300,
        "quality_ppm": PPM,
        "started_at": ended_at - 59,
        "ended_at": ended_at,
    } | changes


def report(target: Target, token: str, record: dict[str, Any]) -> Reply:
    return target.ask("POST", "/poot/records", record, token)


def make_batch(target: Target, admin: str, **wanted: Any) -> dict[str, Any]:
    reply = target.ask("POST", "/poot/batches", wanted, admin)
    assert reply.status == 201, reply
    return reply.json


def read(target: Target, token: str, path: str) -> Any:
    reply = target.ask("GET", path, token=token)
    assert reply.status == 200, reply
    return reply.json


def wait_until(holds: Callable[[], Any]) -> Any:
    """What `holds` returns once it is true. Fails after a minute."""
    deadline_s = time.monotonic() + 60
    while not (found := holds()):
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    return found


def trust_of(*records: dict[str, Any]) -> Trust:
    """What the records make of a node's trust by now: one of a former hour has faded a little."""
    trust = Trust()
    for record in records:
        ended_ms, hour = int(record["ended_at"] * 1000), int(time.time()) // 3600
        trust = add_work(trust, record["units"], record["quality_ppm"], ended_ms, hour)
    return trust


def test_a_score_grows_with_work_and_with_its_quality(target: Target, account: str, node: str) -> None:
    """Good work raises a score, work without quality lowers it, and both follow from the records alone."""
    records = [work(node, 2), work(node, 1, quality_ppm=0), work(node, 0)]
    replies = [report(target, account, record) for record in records]
    assert [(reply.status, reply.json["node"]) for reply in replies] == [(201, node)] * 3
    first, poor, good = (reply.json["score_ppm"] for reply in replies)
    assert poor < good < first
    trust = trust_of(*records)
    score = read(target, account, f"/poot/scores/{node}")
    assert score == {
        "node": node,
        "score_ppm": score_ppm(trust, trust.hour),
        "recent_units": recent_units(trust, trust.hour),
        "records": 3,
        "units": 900,
        "balance": 0,
    }
    assert score["score_ppm"] == good


def test_a_node_without_work_has_no_score(target: Target, account: str, node: str) -> None:
    assert target.ask("GET", f"/poot/scores/{node}", token=account).status == 404


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"units": 0}, 422),
        ({"units": 1.5}, 422),
        ({"units": 10**9}, 422),
        ({"units": 60_000}, 422),
        ({"quality_ppm": PPM + 1}, 422),
        ({"quality_ppm": -1}, 422),
        ({"kind": "mining"}, 422),
        ({"ended_at": 4e9}, 422),
        ({"started_at": 1.0}, 422),
        ({"started_at": 4e9}, 422),
        ({"note": "x"}, 422),
        ({"node": "unknown-node"}, 404),
        ({"node": "a/b"}, 422),
    ],
)
def test_a_record_that_can_not_be_right_is_refused(
    target: Target, account: str, node: str, changes: dict[str, Any], status: int
) -> None:
    assert report(target, account, work(node) | changes).status == status
    assert target.ask("GET", f"/poot/scores/{node}", token=account).status == 404


def test_the_same_time_counts_once_for_each_kind_of_work(target: Target, account: str, node: str) -> None:
    record = work(node, 5)
    assert report(target, account, record).status == 201
    shifted = {"started_at": record["started_at"] + 30, "ended_at": record["ended_at"] + 30}
    for overlapping in (record, record | shifted, record | {"started_at": record["started_at"] - 10}):
        assert report(target, account, overlapping).status == 409
    after = {"started_at": record["ended_at"], "ended_at": record["ended_at"] + 60}
    assert report(target, account, record | after).status == 201
    assert report(target, account, record | {"kind": "storage"}).status == 201
    assert read(target, account, f"/poot/scores/{node}")["records"] == 3


def test_only_who_registered_a_node_and_administrators_report_its_work(
    target: Target, admin: str, account: str, node: str
) -> None:
    other, user = target.sign_in("node0002"), target.sign_in("user0001")
    assert report(target, other, work(node)).status == 403
    assert report(target, user, work(node)).status == 403
    assert target.ask("POST", "/poot/records", work(node)).status == 401
    assert report(target, admin, work(node, 1)).status == 201
    assert report(target, account, work(node)).status == 201
    assert target.ask("POST", "/poot/batches", {}, account).status == 403


def test_a_batch_pays_by_score_to_the_last_unit_and_is_on_the_chain(target: Target, admin: str, account: str) -> None:
    names = [f"paid-{number}" for number in range(3)]
    if read(target, account, "/poot/statistics")["waiting"]:
        make_batch(target, admin, reward=0)
    before = read(target, account, "/poot/statistics")
    for number, name in enumerate(names):
        assert report(target, admin, work(name, units=100 + 100 * number)).status == 201
    scores = {name: read(target, account, f"/poot/scores/{name}")["score_ppm"] for name in names}
    batch = make_batch(target, admin, reward=1001)
    assert (batch["records"], batch["units"], batch["nodes"], batch["paid"]) == (3, 600, 3, 1001)
    balances = {name: read(target, account, f"/poot/scores/{name}")["balance"] for name in names}
    assert sum(balances.values()) == 1001
    for name, balance in balances.items():
        assert isinstance(balance, int)
        assert abs(balance - 1001 * scores[name] / sum(scores.values())) < 1
    path = f"/poot/batches/{batch['id']}"
    anchored = wait_until(lambda: (found := read(target, account, path))["state"] == "anchored" and found)
    said = read(target, account, f"/chain/transactions/{batch['transaction']}")
    assert (said["kind"], said["sender"], said["height"]) == ("poot", "poot", anchored["height"])
    assert said["payload"]["root"] == batch["merkle_root"]
    assert said["payload"]["paid"] == 1001
    after = read(target, account, "/poot/statistics")
    assert after["batches"] == before["batches"] + 1
    assert after["paid"] == before["paid"] + 1001
    assert after["waiting"] == 0
    assert target.ask("POST", "/poot/batches", {}, admin).status == 409


def test_work_of_no_worth_is_not_paid(target: Target, admin: str) -> None:
    assert report(target, admin, work("worthless", quality_ppm=0)).status == 201
    if read(target, admin, "/poot/statistics")["waiting"] == 1:
        assert make_batch(target, admin, reward=500)["paid"] == 0
    assert read(target, admin, "/poot/scores/worthless")["balance"] == 0


def test_the_ledger_lists_payments_newest_first_with_the_balance_after_each(target: Target, admin: str) -> None:
    for minutes_ago in (5, 4, 3, 2, 1):
        report(target, admin, work("saver", minutes_ago))
        make_batch(target, admin, reward=100)
    found, query = [], "limit=2"
    while True:
        page = read(target, admin, f"/poot/ledger/saver?{query}")
        found += page["entries"]
        if page["next"] is None:
            break
        query = f"limit=2&before={page['next']}"
    assert len(found) == 5
    assert [entry["amount"] for entry in found] == [100] * 5
    assert [entry["balance"] for entry in found] == [500, 400, 300, 200, 100]
    assert page["balance"] == 500
    assert target.ask("GET", "/poot/ledger/nobody", token=admin).status == 404


def test_scores_come_in_pages_by_name(target: Target, admin: str) -> None:
    for number in range(5):
        report(target, admin, work(f"paged-{number}"))
    found, after = [], "paged-"
    while len(found) < 5:
        page = read(target, admin, f"/poot/scores?limit=2&after={after}")
        found += [score["node"] for score in page["scores"]]
        after = page["next"]
    assert found[:5] == [f"paged-{number}" for number in range(5)]


def test_a_thousand_records_at_once_are_all_counted_and_paid_once(target: Target, admin: str) -> None:
    """Fifty nodes report twenty minutes each, by sixteen clients; batches are made meanwhile."""
    before = read(target, admin, "/poot/statistics")
    ended_at = time.time() - 1
    records = [
        work(f"busy-{number}", started_at=ended_at - 60 * minute - 60, ended_at=ended_at - 60 * minute)
        for minute in range(20)
        for number in range(50)
    ]
    paid = 0
    with ThreadPoolExecutor(16) as pool:
        waiting = pool.map(lambda record: report(target, admin, record).status, records)
        for _ in range(5):
            reply = target.ask("POST", "/poot/batches", {"reward": 1000}, admin)
            assert reply.status in {201, 409}
            paid += reply.json["paid"] if reply.status == 201 else 0
        assert set(waiting) == {201}
    if read(target, admin, "/poot/statistics")["waiting"]:
        paid += make_batch(target, admin, reward=1000)["paid"]
    after = read(target, admin, "/poot/statistics")
    assert after["records"] - before["records"] == 1000
    assert after["units"] - before["units"] == 300_000
    assert after["paid"] - before["paid"] == paid
    scores = [read(target, admin, f"/poot/scores/busy-{number}") for number in range(50)]
    assert {score["records"] for score in scores} == {20}


def test_one_record_sent_many_times_at_once_counts_once(target: Target, admin: str) -> None:
    record = work("eager", 1)
    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda _: report(target, admin, record).status, range(32)))
    assert sorted(statuses) == [201] + [409] * 31
    assert read(target, admin, "/poot/scores/eager")["units"] == 300


def test_scores_of_validators_decide_who_leads_how_often(target: Target, admin: str) -> None:
    assert report(target, admin, work("validator-2", 3, units=50_000)).status == 201
    make_batch(target, admin)

    def weight() -> bool:
        validators = read(target, admin, "/chain/consensus")["validators"]
        return {each["name"]: each["weight"] for each in validators}["validator-2"] > 990_000

    assert wait_until(weight)


def test_metrics_and_statistics_agree(target: Target, admin: str) -> None:
    text = target.ask("GET", "/metrics").body.decode()
    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("target_poot_"))
    statistics = read(target, admin, "/poot/statistics")
    assert float(figures["target_poot_records"]) == statistics["records"]
    assert float(figures["target_poot_paid"]) == statistics["paid"]
    assert statistics["refused"]["overlap"] >= 31


@pytest.mark.parametrize("killed_after_s", [0.0, 0.004, 0.02])
def test_what_was_acknowledged_is_there_after_a_kill_and_nothing_is_paid_twice(
    database: str, killed_after_s: float
) -> None:
    """The process is killed while a batch is made; the next one pays what was begun to the end."""
    options = (BLOCK_TIME, f"--database={database}")
    target = Target(*options)
    admin = target.sign_in("admin01")
    records = [work(f"n-{number}", minute + 1) for minute in range(4) for number in range(100)]
    with ThreadPoolExecutor(8) as pool:
        assert {reply.status for reply in pool.map(lambda each: report(target, admin, each), records)} == {201}

    def ask_for_batch() -> None:
        with suppress(OSError, HTTPException):
            target.ask("POST", "/poot/batches", {"reward": 12_345}, admin)

    asking = threading.Thread(target=ask_for_batch)
    asking.start()
    time.sleep(killed_after_s)
    kill(target)
    asking.join()
    with Target(*options) as again:
        admin = again.sign_in("admin01")
        statistics = read(again, admin, "/poot/statistics")
        assert statistics["records"] == 400
        if statistics["waiting"]:
            assert (statistics["batches"], statistics["paid"]) == (0, 0)
            make_batch(again, admin, reward=12_345)
        balances = [read(again, admin, f"/poot/scores/n-{number}")["balance"] for number in range(100)]
        assert sum(balances) == 12_345
        wait_until(lambda: read(again, admin, "/poot/batches/1")["state"] == "anchored")


def kill(target: Target) -> None:
    target.process.kill()
    target.process.wait()
    target.process.stdin.close()
    target.process.stdout.close()
