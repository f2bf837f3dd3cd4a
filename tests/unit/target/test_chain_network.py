"""Validators that exchange signed bytes: they agree, do without one, catch up, and believe nobody without proof."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from master.target.chain.consensus import messages
from master.target.chain.consensus.catching_up import Tip
from master.target.chain.consensus.network import Network
from master.target.chain.consensus.pace import Pace
from master.target.chain.consensus.validator import GATEWAY, Validator
from master.target.chain.ledger import blocks, transactions
from master.target.chain.ledger.blocks import NO_BLOCK, FinalBlock, Header, Step, Vote
from master.target.chain.ledger.merkle import MerkleTree
from master.target.chain.ledger.signing import SigningKey
from master.target.chain.ledger.transactions import CHAIN_SENDER, Kind, Transaction
from master.target.chain.ledger.validator_set import equal_validators

PACE = Pace(block_time_s=0.05, round_timeout_s=0.5, repeat_s=0.1, max_transactions=50)
KEYS = {name: SigningKey() for name in ("v1", "v2", "v3", "v4")}
SET = equal_validators({name: key.public_key for name, key in KEYS.items()})
GENESIS = Tip(blocks.genesis(SET, bytes(32), 1000), SET)


class MemoryStore:
    """What one validator keeps, and a way to wait for it."""

    def __init__(self) -> None:
        self.blocks: list[FinalBlock] = []
        self._grown = asyncio.Condition()

    async def append(self, block: FinalBlock, _following: Tip) -> None:
        assert block.header.height == len(self.blocks) + 1
        async with self._grown:
            self.blocks.append(block)
            self._grown.notify_all()

    async def blocks_from(self, height: int, limit: int) -> list[FinalBlock]:
        return self.blocks[height - 1 : height - 1 + limit]

    async def until(self, reached: Callable[[MemoryStore], bool]) -> None:
        async with asyncio.timeout(60), self._grown:
            await self._grown.wait_for(lambda: reached(self))

    def ids(self) -> list[bytes]:
        return [identity for block in self.blocks for identity in blocks.split_ids(block.ids or b"")]


class TamperingStore(MemoryStore):
    """One that hands out blocks which are not those that it was given."""

    async def blocks_from(self, height: int, limit: int) -> list[FinalBlock]:
        found = await super().blocks_from(height, limit)
        header = msgspec.structs.replace(found[-1].header, timestamp_ms=found[-1].header.timestamp_ms + 1)
        return [*found[:-1], msgspec.structs.replace(found[-1], header=header)] if found else []


class LossyNetwork(Network):
    """One that loses a fifth of all messages, and says another fifth twice."""

    def __init__(self) -> None:
        super().__init__()
        self._random = random.Random(7)

    def send(self, receiver: str, raw: bytes) -> None:
        for _ in range(self._random.choice([0, 1, 1, 1, 2])):
            super().send(receiver, raw)


class World:
    """Validators, each with a store, and the gateway."""

    def __init__(self, network: Network | None = None, **stores: MemoryStore) -> None:
        self.network = network or Network()
        self.key = SigningKey()
        self.inbox = self.network.join(GATEWAY, self.key.public_key)
        self.pending: dict[bytes, bytes] = {}
        self.number = 0
        self.stores: dict[str, MemoryStore] = stores
        self.validators: dict[str, Validator] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {GATEWAY: asyncio.create_task(self._answer())}
        for name, key in KEYS.items():
            self.add(name, key)

    def add(self, name: str, key: SigningKey, catch_up_from: str | None = None) -> Validator:
        store = self.stores.setdefault(name, MemoryStore())
        made = Validator(
            name, key, GENESIS, self.network, store, pace=PACE, clock=time.time, catch_up_from=catch_up_from
        )
        self.validators[name] = made
        self.tasks[name] = asyncio.create_task(made.run())
        return made

    def submit(self, *sent: Transaction) -> list[bytes]:
        raw = [transactions.encode(each) for each in sent]
        ids = [transactions.transaction_id(each) for each in raw]
        self.pending |= zip(ids, raw, strict=True)
        self._hand_out(raw)
        return ids

    def records(self, count: int) -> list[bytes]:
        return self.submit(*(Transaction(Kind.RECORD, "user", str(number), b"{}") for number in range(count)))

    def _hand_out(self, raw: list[bytes], receiver: str | None = None) -> None:
        self.number += 1
        sealed = messages.seal(messages.Transactions(self.number, raw), GATEWAY, self.key)
        if receiver is None:
            self.network.broadcast(GATEWAY, sealed)
        else:
            self.network.send(receiver, sealed)

    async def _answer(self) -> None:
        while True:
            envelope, message = messages.open_envelope(await self.inbox.get())
            if isinstance(message, messages.WantTransactions):
                self._hand_out([self.pending[identity] for identity in message.ids], envelope.sender)

    async def until_all(self, reached: Callable[[MemoryStore], bool], *but: str) -> None:
        await asyncio.gather(*(store.until(reached) for name, store in self.stores.items() if name not in but))

    async def end(self) -> None:
        for task in self.tasks.values():
            assert not task.done() or task.cancelled(), task
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)


def in_world(play: Callable[[World], Awaitable[None]], make: Callable[[], World] = World) -> None:
    async def run() -> None:
        world = make()
        await play(world)
        await world.end()

    asyncio.run(run())


def assert_one_chain(world: World) -> None:
    """Every block is proven, and the same for all."""
    for store in world.stores.values():
        parent, validators = GENESIS.header, SET
        for block in store.blocks:
            blocks.check_header(block.header, parent, validators)
            blocks.check_certificate(block.certificate, block.header, validators)
            parent, validators = block.header, blocks.set_after(block, validators)
    for at in range(max(len(store.blocks) for store in world.stores.values())):
        headers = {store.blocks[at].header for store in world.stores.values() if at < len(store.blocks)}
        assert len(headers) == 1


def test_validators_put_every_transaction_into_one_block() -> None:
    async def play(world: World) -> None:
        ids = world.records(120)
        await world.until_all(lambda store: len(store.ids()) >= 120)
        assert_one_chain(world)
        for store in world.stores.values():
            assert store.ids() == ids, "in the order in which they came"
            assert max(block.header.transactions for block in store.blocks) == 50
        assert all(not validator.refused for validator in world.validators.values())

    in_world(play)


def test_three_of_four_go_on_when_one_has_ended() -> None:
    async def play(world: World) -> None:
        world.tasks["v3"].cancel()
        ids = world.records(20)
        await world.until_all(lambda store: store.ids() == ids and len(store.blocks) > 8, "v3")
        assert_one_chain(world)
        proposers = {block.header.proposer for block in world.stores["v1"].blocks}
        assert "v3" not in proposers

    in_world(play)


def test_lost_and_repeated_messages_delay_blocks_and_change_nothing() -> None:
    async def play(world: World) -> None:
        ids = world.records(60)
        await world.until_all(lambda store: set(store.ids()) >= set(ids) and len(store.blocks) >= 3)
        assert_one_chain(world)
        for store in world.stores.values():
            assert sorted(store.ids()) == sorted(ids)

    in_world(play, lambda: World(LossyNetwork()))


def test_a_newcomer_catches_up_takes_part_and_votes() -> None:
    async def play(world: World) -> None:
        world.records(30)
        await world.until_all(lambda store: len(store.blocks) >= 5)
        key = SigningKey()
        newcomer = world.add("v5", key, catch_up_from="v2")
        async with asyncio.timeout(60):
            await newcomer.caught_up.wait()
        payload = msgspec.json.encode({"name": "v5", "public_key": key.public_key.hex()})
        world.submit(Transaction(Kind.VALIDATOR, CHAIN_SENDER, "join v5", payload))
        await world.until_all(lambda store: any("v5" in dict(block.certificate.votes) for block in store.blocks[-5:]))
        await world.until_all(lambda store: any(block.header.proposer == "v5" for block in store.blocks))
        assert_one_chain(world)
        assert all("v5" in validator.tip.validators for validator in world.validators.values())

    in_world(play)


def test_weights_of_a_batch_count_from_the_next_block_on() -> None:
    async def play(world: World) -> None:
        payload = msgspec.json.encode({"batch": 1, "weights": {"v1": 900_000}})
        world.submit(Transaction(Kind.POOT, "poot", "batch 1", payload))
        await world.until_all(lambda store: bool(store.ids()))
        assert {validator.tip.validators["v1"].weight for validator in world.validators.values()} == {900_000}
        assert_one_chain(world)

    in_world(play)


def test_a_chain_that_was_tampered_with_is_refused_and_another_asked() -> None:
    async def play(world: World) -> None:
        await world.until_all(lambda store: len(store.blocks) >= 5)
        newcomer = world.add("v5", SigningKey(), catch_up_from="v4")
        await world.stores["v5"].until(lambda store: len(store.blocks) >= 8)
        assert newcomer.refused["invalid_block"] >= 1
        assert_one_chain(world)

    in_world(play, lambda: World(v4=TamperingStore()))


def test_messages_that_claim_what_is_not_so_are_refused_by_reason() -> None:
    async def play() -> None:
        network, gateway, stranger = Network(), SigningKey(), SigningKey()
        network.join(GATEWAY, gateway.public_key)
        network.join("stranger", stranger.public_key)
        network.join("v2", KEYS["v2"].public_key)
        receiver = Validator("v1", KEYS["v1"], GENESIS, network, MemoryStore(), pace=PACE, clock=time.time)
        receiver._begin_rounds()
        chain = blocks.chain_of(GENESIS.header)
        vote = Vote(chain, 1, 0, Step.PREVOTE, NO_BLOCK, "v2")
        leader = receiver.rounds.leader(0)
        other = next(name for name in ("v2", "v3", "v4") if name != leader)
        raw = transactions.encode(Transaction(Kind.POOT, "user0001", "1", b'{"weights":{"v2":1000000}}'))
        following = msgspec.structs.replace(GENESIS.header, height=1, chain=chain)
        receiver._last_batch = 5
        sealed = messages.seal
        for reason, message in {
            "malformed": b"\x93\xa1x\xa1y\xa1z",
            "forged": sealed(vote, "v2", KEYS["v3"]),
            "stranger": sealed(msgspec.structs.replace(vote, voter="stranger"), "stranger", stranger),
            "other_chain": sealed(msgspec.structs.replace(vote, chain=bytes(32)), "v2", KEYS["v2"]),
            "not_leader": sealed(messages.Proposal(0, None, following, b"", other), other, KEYS[other]),
            "not_from_gateway": sealed(messages.Transactions(9, [raw]), "v2", KEYS["v2"]),
            "repeated": sealed(messages.Transactions(5, [raw]), GATEWAY, gateway),
            "invalid_transaction": sealed(messages.Transactions(6, [raw]), GATEWAY, gateway),
            "not_asked_for": sealed(messages.Blocks([]), "v2", KEYS["v2"]),
            "not_for_validators": sealed(messages.WantTransactions([]), "v2", KEYS["v2"]),
        }.items():
            before = receiver.refused.copy()
            await receiver._receive(message)
            assert receiver.refused - before == {reason: 1}
        assert not receiver.pool
        assert receiver.rounds.votes.known(0) == []
        await receiver._receive(sealed(vote, "v2", KEYS["v2"]))
        assert [known for known, _ in receiver.rounds.votes.known(0)] == [vote]

    asyncio.run(play())


def test_who_votes_for_two_blocks_is_noted_and_stops_nobody() -> None:
    async def play(world: World) -> None:
        world.tasks["v4"].cancel()

        def lies() -> bool:
            tip = world.validators["v1"].tip.header
            for block in (NO_BLOCK, bytes(32)):
                vote = Vote(blocks.chain_of(tip), tip.height + 1, 0, Step.PREVOTE, block, "v4")
                world.network.send("v1", messages.seal(vote, "v4", KEYS["v4"]))
            return world.validators["v1"].double_votes["v4"] > 0

        await world.until_all(
            lambda store: len(store.blocks) >= 2 and (lies() or store is not world.stores["v1"]), "v4"
        )
        assert world.validators["v1"].double_votes.keys() == {"v4"}
        assert_one_chain(world)

    in_world(play)


def proposal_after(receiver: Validator, **changes: object) -> bytes:
    """A block of all that the receiver's pool holds, by the right leader, with changes to its header."""
    leader = receiver.rounds.leader(0)
    tip = receiver.tip
    ids = b"".join(receiver.pool.oldest(100))
    count = len(ids) // 32
    header = Header(
        blocks.chain_of(tip.header), receiver.height, blocks.header_hash(tip.header), receiver._due_ms,
        MerkleTree(blocks.split_ids(ids)).root(), count, tip.header.total + count, leader,
        tip.validators.digest, tip.validators.digest,
    )  # fmt: skip
    ids = changes.pop("ids", ids)  # type: ignore[assignment]
    header = msgspec.structs.replace(header, **changes)
    return messages.seal(messages.Proposal(0, None, header, ids, leader), leader, KEYS[leader])


@pytest.mark.parametrize(
    ("changes", "accepted"),
    [
        ({}, True),
        ({"root": bytes(32)}, False),
        ({"transactions": 1}, False),
        ({"next_validators": bytes(32)}, False),
        ({"timestamp_ms": 1049}, False),
        ({"timestamp_ms": 2**45}, False),
        ({"parent": bytes(32)}, False),
        ({"ids": b""}, False),
        ({"ids": bytes(33)}, False),
        ({"ids": bytes(64)}, False),
    ],
)
def test_a_block_that_breaks_any_rule_is_refused(changes: dict[str, object], accepted: bool) -> None:
    async def play() -> None:
        network, store = Network(), MemoryStore()
        receiver = Validator("v1", KEYS["v1"], GENESIS, network, store, pace=PACE, clock=time.time)
        for number in range(3):
            receiver.pool.add(transactions.encode(Transaction(Kind.RECORD, "u", str(number), b"{}")))
        await receiver._receive(proposal_after(receiver, **changes))
        assert bool(receiver._candidates) is accepted
        assert receiver.refused["invalid_block"] == (not accepted)

    asyncio.run(play())
