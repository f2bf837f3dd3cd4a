"""The chain over HTTP, on the real target: transactions into blocks, votes and proofs that anybody can check, newcomers, a kill."""

from __future__ import annotations

import itertools
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
from database_servers import Postgres
from processes import Target

from master.target.chain.ledger.blocks import Certificate, Header, check_certificate, header_hash
from master.target.chain.ledger.merkle import MerkleTree, is_in_tree
from master.target.chain.ledger.validator_set import Validator, ValidatorSet

BLOCK_TIME = "--block-time=0.3"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def target(database_options: list[str]) -> Iterator[Target]:
    with Target(BLOCK_TIME, *database_options) as started:
        yield started


def read(target: Target, token: str, path: str) -> Any:
    reply = target.ask("GET", path, token=token)
    assert reply.status == 200, reply
    return reply.json


def submit(target: Target, token: str, **changes: Any) -> dict[str, Any]:
    said = {"payload": {"text": "hello", "number": next(_numbers)}} | changes
    reply = target.ask("POST", "/chain/transactions", said, token)
    assert reply.status == 201, reply
    return reply.json


def wait_until(holds: Callable[[], Any]) -> Any:
    """What `holds` returns once it is true. Fails after a minute."""
    deadline_s = time.monotonic() + 60
    while not (found := holds()):
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    return found


def wait_final(target: Target, token: str, identity: str) -> dict[str, Any]:
    path = f"/chain/transactions/{identity}"
    return wait_until(lambda: (found := read(target, token, path))["state"] == "final" and found)


def header_of(block: dict[str, Any], first: dict[str, Any]) -> Header:
    """The header as the hash is over it, from what the API says."""
    return Header(
        bytes.fromhex(first["hash"]),
        block["height"],
        bytes.fromhex(block["parent"]),
        round(block["created_at"] * 1000),
        bytes.fromhex(block["merkle_root"]),
        block["transactions"],
        block["total_transactions"],
        block["proposer"],
        bytes.fromhex(block["validators_hash"]),
        bytes.fromhex(block["next_validators_hash"]),
    )


def all_ids(target: Target, token: str, height: int) -> list[str]:
    """The ids of all transactions of a block."""
    path, ids = f"/chain/blocks/{height}", list[str]()
    while True:
        block = read(target, token, f"{path}?limit=1000&offset={len(ids)}")
        ids += block["transaction_ids"]
        if len(ids) == block["transactions"]:
            return ids


def wait_blocks(target: Target, token: str, count: int) -> None:
    """Until there are so many more blocks."""
    height = read(target, token, "/chain/blocks/latest")["height"]
    wait_until(lambda: read(target, token, "/chain/blocks/latest")["height"] >= height + count)


def test_a_transaction_gets_into_a_block(target: Target, user: str) -> None:
    sent = submit(target, user, payload={"b": 1, "a": ["ü", None, 2.5]}, nonce="first")
    assert (sent["state"], sent["height"], sent["sender"], sent["kind"]) == ("pending", None, "user0001", "record")
    final = wait_final(target, user, sent["id"])
    assert final == sent | {"state": "final", "height": final["height"], "payload": {"a": ["ü", None, 2.5], "b": 1}}
    assert sent["id"] in all_ids(target, user, final["height"])


def test_votes_of_a_block_hold_for_what_the_api_says_of_it(target: Target, user: str) -> None:
    """Signatures, weights and hashes are checked with nothing but answers of the API."""
    height = wait_final(target, user, submit(target, user)["id"])["height"]
    block, first = read(target, user, f"/chain/blocks/{height}"), read(target, user, "/chain/blocks/0")
    header = header_of(block, first)
    assert header_hash(header).hex() == block["hash"]
    found = read(target, user, "/chain/consensus")["validators"]
    validators = ValidatorSet(
        Validator(each["name"], bytes.fromhex(each["public_key"]), each["weight"]) for each in found
    )
    assert validators.digest.hex() == block["validators_hash"]
    votes = [(vote["validator"], bytes.fromhex(vote["signature"])) for vote in block["votes"]]
    check_certificate(Certificate(block["round"], votes), header, validators)
    ids = map(bytes.fromhex, all_ids(target, user, height))
    assert MerkleTree(ids).root().hex() == block["merkle_root"]


def test_a_proof_shows_that_a_transaction_is_in_its_block(target: Target, user: str) -> None:
    sent = [submit(target, user)["id"] for _ in range(7)]
    heights = {wait_final(target, user, identity)["height"] for identity in sent}
    blocks = {height: read(target, user, f"/chain/blocks/{height}") for height in heights}
    for identity in sent:
        proof = read(target, user, f"/chain/proofs/{identity}")
        block = blocks[proof["height"]]
        assert (proof["block"], proof["merkle_root"]) == (block["hash"], block["merkle_root"])
        path = [bytes.fromhex(step) for step in proof["path"]]
        root = bytes.fromhex(proof["merkle_root"])
        assert is_in_tree(bytes.fromhex(identity), proof["index"], proof["size"], path, root)


def test_blocks_come_in_pages_and_each_names_the_one_before(target: Target, user: str) -> None:
    wait_until(lambda: read(target, user, "/chain/blocks/latest")["height"] >= 5)
    found, query = [], "limit=3"
    while query:
        page = read(target, user, f"/chain/blocks?{query}")
        found += page["blocks"]
        query = "" if page["next"] is None else f"limit=3&before={page['next']}"
    assert [block["height"] for block in found] == list(range(found[0]["height"], -1, -1))
    for after, before in itertools.pairwise(found):
        assert after["parent"] == before["hash"]
        assert after["total_transactions"] == before["total_transactions"] + after["transactions"]
        assert after["created_at"] - before["created_at"] >= 0.299


def test_saying_the_same_twice_is_a_duplicate(target: Target, user: str) -> None:
    said = {"payload": {"x": 1, "y": 2}, "nonce": "only once"}
    identity = submit(target, user, **said)["id"]
    again = said | {"payload": {"y": 2, "x": 1}}
    assert target.ask("POST", "/chain/transactions", again, user).status == 409
    wait_final(target, user, identity)
    assert target.ask("POST", "/chain/transactions", again, user).status == 409
    assert submit(target, user, **said | {"nonce": "twice"})["id"] != identity
    assert submit(target, target.sign_in("user0002"), **said)["id"] != identity


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({}, 422),
        ({"payload": "text"}, 422),
        ({"payload": {}, "kind": "poot"}, 422),
        ({"payload": {}, "kind": "validator"}, 422),
        ({"payload": {}, "nonce": ""}, 422),
        ({"payload": {}, "nonce": "x" * 65}, 422),
        ({"payload": {}, "sender": "admin01"}, 422),
        ({"payload": {"text": "x" * 5000}}, 413),
    ],
)
def test_a_transaction_that_may_not_be_is_refused(target: Target, user: str, said: dict[str, Any], status: int) -> None:
    assert target.ask("POST", "/chain/transactions", said, user).status == status


@pytest.mark.parametrize(
    "path",
    [
        "/chain/transactions/" + "0" * 64,
        "/chain/transactions/xyz",
        "/chain/proofs/" + "0" * 64,
        "/chain/blocks/999999999",
        "/chain/blocks/-1",
        "/chain/blocks/last",
    ],
)
def test_what_is_not_there_is_not_found(target: Target, user: str, path: str) -> None:
    assert target.ask("GET", path, token=user).status == 404
    assert target.ask("GET", path).status == 401


def test_transactions_of_many_at_once_are_each_in_one_block(target: Target, user: str) -> None:
    start = read(target, user, "/chain/blocks/latest")
    with ThreadPoolExecutor(16) as pool:
        sent = list(pool.map(lambda _: submit(target, user)["id"], range(600)))
    heights = {identity: wait_final(target, user, identity)["height"] for identity in sent}
    last = max(heights.values())
    counted = Counter(
        identity for height in range(start["height"] + 1, last + 1) for identity in all_ids(target, user, height)
    )
    assert {identity: counted[identity] for identity in sent} == dict.fromkeys(sent, 1)
    total = read(target, user, f"/chain/blocks/{last}")["total_transactions"]
    assert total - start["total_transactions"] == counted.total()


def test_a_newcomer_catches_up_joins_and_votes(target: Target, user: str, admin: str) -> None:
    name = f"pi-{next(_numbers)}"
    assert target.ask("POST", "/chain/validators", {"name": name}, user).status == 403
    made = target.ask("POST", "/chain/validators", {"name": name}, admin)
    assert (made.status, made.json["weight"]) == (201, 0)
    assert target.ask("POST", "/chain/validators", {"name": name}, admin).status == 409
    assert target.ask("POST", "/chain/validators", {"name": "gateway"}, admin).status == 409

    def state() -> dict[str, Any]:
        found = read(target, user, "/chain/consensus")["validators"]
        return next(each for each in found if each["name"] == name)

    joined = wait_until(lambda: (found := state())["state"] == "voting" and found)
    assert joined["weight"] > 0
    assert joined["sync_s"] < 30

    def has_voted() -> bool:
        blocks = read(target, user, "/chain/blocks?limit=5")["blocks"]
        return any(
            vote["validator"] == name
            for block in blocks
            for vote in read(target, user, f"/chain/blocks/{block['height']}")["votes"]
        )

    assert wait_until(has_voted)


def test_consensus_and_statistics_say_how_it_goes(target: Target, user: str) -> None:
    consensus = read(target, user, "/chain/consensus")
    assert consensus["leader"] in {each["name"] for each in consensus["validators"]}
    assert consensus["quorum_weight"] * 3 > 2 * consensus["total_weight"]
    assert consensus["last_consensus_s"] < 5
    statistics = wait_until(
        lambda: (found := read(target, user, "/chain/statistics"))["transactions_per_s"] is not None and found
    )
    assert statistics["height"] >= consensus["height"] - 1
    text = target.ask("GET", "/metrics").body.decode()
    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("target_chain_"))
    assert float(figures["target_chain_height"]) >= statistics["height"]


def test_acknowledged_transactions_are_pending_or_in_one_block_after_a_kill(database: str) -> None:
    """The process is killed three times while clients submit and blocks are made."""
    options = (BLOCK_TIME, f"--database={database}")
    acknowledged: list[str] = []
    for _ in range(3):
        target = Target(*options)
        token = target.sign_in("user0001")
        ended = threading.Event()

        def submit_until_killed(target: Target, token: str, ended: threading.Event) -> None:
            while not ended.is_set():
                with suppress(OSError, HTTPException, AssertionError):
                    acknowledged.append(submit(target, token)["id"])

        with ThreadPoolExecutor(4) as pool:
            for _ in range(4):
                pool.submit(submit_until_killed, target, token, ended)
            wait_blocks(target, token, 3)
            target.process.kill()
            ended.set()
        target.process.wait()
        target.process.stdin.close()
        target.process.stdout.close()
    assert len(acknowledged) > 50
    with Target(*options) as again:
        token = again.sign_in("user0001")
        for identity in acknowledged:
            wait_final(again, token, identity)
        height = read(again, token, "/chain/blocks/latest")["height"]
        counted = Counter(identity for at in range(height + 1) for identity in all_ids(again, token, at))
    assert set(counted) >= set(acknowledged)
    assert set(counted.values()) == {1}


def test_blocks_wait_for_a_database_that_is_away(tmp_path: Path) -> None:
    with Postgres(tmp_path) as server, Target(BLOCK_TIME, f"--database={server.url}") as target:
        token = target.sign_in("user0001")
        sent = [submit(target, token)["id"] for _ in range(20)]
        server.stop()
        assert target.ask("POST", "/chain/transactions", {"payload": {}}, token).status == 503
        server.start()
        wait_until(lambda: target.ask("GET", "/chain/blocks/latest", token=token).status == 200)
        for identity in sent:
            wait_final(target, token, identity)
        wait_blocks(target, token, 2)
        assert wait_final(target, token, submit(target, token)["id"])
        height = read(target, token, "/chain/blocks/latest")["height"]
        counted = Counter(identity for at in range(height + 1) for identity in all_ids(target, token, at))
    assert set(counted) >= set(sent)
    assert set(counted.values()) == {1}


def test_private_keys_are_for_the_owner_of_the_database_alone(tmp_path: Path) -> None:
    database = tmp_path / "target.db"
    with Target(f"--database={database}"):
        for file in tmp_path.glob("target.db*"):
            assert file.stat().st_mode & 0o077 == 0, file
    with sqlite3.connect(database) as connection:
        (keys,) = connection.execute("SELECT COUNT(*) FROM chain_keys").fetchone()
    connection.close()
    assert keys == 5, "four validators' and the gateway's"
