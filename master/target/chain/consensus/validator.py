"""One validator: keys, a state of its own, an inbox, and the rules of `Rounds` applied to what comes in.

It shares nothing with others but the bytes that the network carries. Its votes need not outlive the process: what is final
is in the database before anybody hears of it, and all validators of a process end and begin together.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Protocol

from master.target.chain.consensus import messages
from master.target.chain.consensus.candidates import Candidate, check_candidate, make_candidate, missing_transactions
from master.target.chain.consensus.catching_up import Tip, follow
from master.target.chain.consensus.messages import BATCH_BLOCKS, BATCH_TRANSACTIONS, Proposal, RefusedError
from master.target.chain.consensus.network import Network
from master.target.chain.consensus.pace import Pace, Timers
from master.target.chain.consensus.pool import Pool
from master.target.chain.consensus.rounds import Action, CastVote, Decided, Propose, Rounds, Wait
from master.target.chain.consensus.slices import in_slices
from master.target.chain.ledger.blocks import (
    NO_BLOCK,
    Certificate,
    FinalBlock,
    InvalidBlockError,
    Step,
    Vote,
    chain_of,
    check_certificate,
    header_hash,
    split_ids,
)
from master.target.chain.ledger.signing import SigningKey
from master.target.chain.ledger.transactions import InvalidTransactionError

GATEWAY = "gateway"
TURN_S = 0.001
"""How long a validator with a full inbox keeps the loop from others."""
MAX_PROPOSED = 2
MAX_INCOMPLETE = 4
MAX_EARLY = 256

_log = logging.getLogger("master.target.chain")


class BlockStore(Protocol):
    """Where a validator keeps final blocks."""

    async def append(self, block: FinalBlock, following: Tip) -> None:
        """Keep a final block; one that is kept already is left alone. When it returns the block is on record."""

    async def blocks_from(self, height: int, limit: int) -> list[FinalBlock]:
        """The kept blocks from that height on, in order."""


class Validator:
    """See the module. `clock` gives Unix seconds."""

    def __init__(
        self,
        name: str,
        key: SigningKey,
        tip: Tip,
        network: Network,
        store: BlockStore,
        *,
        pace: Pace,
        clock: Callable[[], float],
        catch_up_from: str | None = None,
    ) -> None:
        self.name = name
        self._key = key
        self.tip = tip
        self._network = network
        self._inbox = network.join(name, key.public_key)
        self._store = store
        self._pace = pace
        self._clock = clock
        self.pool = Pool()
        self.refused: Counter[str] = Counter()
        """Messages not looked at any further, by reason."""
        self.passed_over: Counter[str] = Counter()
        """Leaders that did not propose in time, or whose block found no quorum, by name."""
        self.double_votes: Counter[str] = Counter()
        """Heights at which it has proof of lying, by the liar's name."""
        self.consensus_s: deque[float] = deque(maxlen=100)
        """Seconds from the moment at which a block was due to its being final, of the last blocks."""
        self.caught_up = asyncio.Event()
        if catch_up_from is None:
            self.caught_up.set()
        self._source = catch_up_from
        self._asked_at = -1.0
        self._last_batch = -1
        self._timers = Timers[list[Action]]()
        self._begin_height()

    @property
    def public_key(self) -> bytes:
        """By which the others know it."""
        return self._key.public_key

    @property
    def height(self) -> int:
        """The height that is to be decided on."""
        return self.tip.header.height + 1

    async def run(self) -> None:
        """Take part until cancelled."""
        loop = asyncio.get_running_loop()
        if self._source is not None:
            self._ask_for_blocks(self._source)
        turn_ends_at = monotonic() + TURN_S
        while True:
            try:
                async with asyncio.timeout_at(self._timers.next_at()):
                    raw = await self._inbox.get()
            except TimeoutError:
                pass
            else:
                await self._receive(raw)
                if monotonic() > turn_ends_at:
                    await asyncio.sleep(0)
                    turn_ends_at = monotonic() + TURN_S
            while call := self._timers.pop(loop.time()):
                await self._act(call())

    # A height begins

    def _begin_height(self) -> None:
        header, validators = self.tip.header, self.tip.validators
        self._chain = chain_of(header)
        self.rounds = Rounds(self.name, header_hash(header), validators)
        self._candidates: dict[bytes, Candidate] = {}
        self._incomplete: dict[int, tuple[Proposal, list[bytes]]] = {}  # by round, with what is missing
        self._proposed: deque[bytes] = deque(maxlen=MAX_PROPOSED)
        self._early: deque[tuple[Vote, bytes]] = deque(maxlen=MAX_EARLY)
        self._begun_at: float | None = None
        self._due_ms = header.timestamp_ms + round(self._pace.block_time_s * 1000)
        wait_s = min(max(0.0, self._due_ms / 1000 - self._clock()), self._pace.block_time_s)
        self._timers.clear()
        self._at(wait_s, self._begin_rounds)

    def _begin_rounds(self) -> list[Action]:
        if self._begun_at is not None:
            return []
        self._begun_at = monotonic()
        self._at(self._pace.repeat_s, self._say_again)
        actions = self.rounds.start()
        while self._early:
            actions += self.rounds.vote(*self._early.popleft())
        return actions

    def _at(self, delay_s: float, call: Callable[[], list[Action]]) -> None:
        self._timers.set(asyncio.get_running_loop().time() + delay_s, call)

    def _say_again(self) -> list[Action]:
        for raw in self._proposed:
            self._network.broadcast(self.name, raw)
        for vote, signature in self.rounds.votes_to_repeat():
            self._network.broadcast(self.name, messages.pass_on(vote, signature))
        for _, missing in self._incomplete.values():
            self._ask_for_transactions(missing)
        if not self.caught_up.is_set() and self._source is not None:
            self._ask_for_blocks(self._source)
        self._at(self._pace.repeat_s, self._say_again)
        return []

    # What comes in

    async def _receive(self, raw: bytes) -> None:
        try:
            envelope, message = messages.open_envelope(raw)
            match message:
                case Vote():
                    await self._receive_vote(message, envelope)
                case Proposal():
                    await self._receive_proposal(message, envelope)
                case messages.Transactions():
                    await self._receive_transactions(message, envelope)
                case messages.WantBlocks():
                    self._require_member(envelope, message)
                    blocks = await self._store.blocks_from(message.height, BATCH_BLOCKS)
                    self._send(envelope.sender, messages.Blocks(blocks))
                case messages.Blocks():
                    await self._receive_blocks(message, envelope)
                case _:
                    self.refused["not_for_validators"] += 1
        except RefusedError as refused:
            self.refused[str(refused)] += 1

    async def _receive_vote(self, vote: Vote, envelope: messages.Envelope) -> None:
        if self._is_elsewhere(vote.chain, vote.height, envelope.sender) or self.rounds.votes.knows(vote):
            return
        if vote.voter != envelope.sender:
            raise RefusedError("forged")
        self._require_voter(envelope, vote)
        if self._begun_at is None:
            self._early.append((vote, envelope.signature))
        else:
            await self._act(self.rounds.vote(vote, envelope.signature))

    async def _receive_proposal(self, proposal: Proposal, envelope: messages.Envelope) -> None:
        if self._is_elsewhere(proposal.header.chain, proposal.header.height, envelope.sender):
            return
        if proposal.round in self._incomplete or proposal.round < self.rounds.round:
            return
        if proposal.sender != envelope.sender or self.rounds.leader(proposal.round) != proposal.sender:
            raise RefusedError("not_leader")
        self._require_voter(envelope, proposal)
        await self._consider(proposal)

    async def _consider(self, proposal: Proposal) -> None:
        """Vote on a proposal, or first ask for those of its transactions that have not come."""
        if self._begun_at is None and self._due_ms - self._clock() * 1000 > self._pace.early_ms:
            return  # so that no leader makes blocks come faster; it will say it again
        block = header_hash(proposal.header)
        if block not in self._candidates:
            try:
                missing = await missing_transactions(proposal.ids, self.pool)
                if missing:
                    if len(self._incomplete) < MAX_INCOMPLETE:
                        self._incomplete[proposal.round] = (proposal, missing)
                        self._ask_for_transactions(missing)
                    return
                self._candidates[block] = await self._check(proposal)
            except InvalidBlockError as error:
                _log.warning("%s refuses block %d of %s: %s", self.name, self.height, proposal.sender, error)
                self.refused["invalid_block"] += 1
        valid = block in self._candidates and self._is_proven(proposal)
        valid_round = -1 if proposal.proof is None else proposal.proof.round
        if self._begun_at is None:
            if not valid:
                return
            await self._act(self._begin_rounds())
        await self._act(self.rounds.proposal(proposal.round, block, valid_round, valid=valid))

    def _is_proven(self, proposal: Proposal) -> bool:
        """Whether the proof of an earlier round holds, if there is one."""
        if proposal.proof is None:
            return True
        try:
            check_certificate(proposal.proof, proposal.header, self.tip.validators, Step.PREVOTE)
        except InvalidBlockError as error:
            _log.warning("%s refuses the proof of %s: %s", self.name, proposal.sender, error)
            self.refused["invalid_proof"] += 1
            return False
        return True

    async def _check(self, proposal: Proposal) -> Candidate:
        if proposal.proof is None and proposal.header.proposer != proposal.sender:
            raise InvalidBlockError("the proposer is another one")
        return await check_candidate(
            proposal.header,
            proposal.ids,
            self.tip.header,
            self.tip.validators,
            self.pool,
            due_ms=self._due_ms,
            now_ms=round(self._clock() * 1000),
        )

    async def _receive_transactions(self, message: messages.Transactions, envelope: messages.Envelope) -> None:
        if envelope.sender != GATEWAY or message.number <= self._last_batch:
            raise RefusedError("not_from_gateway" if envelope.sender != GATEWAY else "repeated")
        self._require_member(envelope, message)
        self._last_batch = message.number
        for canonical in message.transactions:
            try:
                self.pool.add(canonical)
            except InvalidTransactionError:
                self.refused["invalid_transaction"] += 1
        for number, (proposal, missing) in list(self._incomplete.items()):
            left = [identity for identity in missing if identity not in self.pool]
            self._incomplete[number] = (proposal, left)
            if not left:
                del self._incomplete[number]
                await self._consider(proposal)
                return  # the height may be another one now

    async def _receive_blocks(self, message: messages.Blocks, envelope: messages.Envelope) -> None:
        if self._asked_at < 0 or envelope.sender != self._source:
            raise RefusedError("not_asked_for")
        self._require_member(envelope, message)
        self._asked_at, before = -1.0, self.height
        try:
            for block in message.blocks:
                if block.header.height == self.height:
                    await self._take_over(block, await follow(self.tip, block))
                    await asyncio.sleep(0)
        except InvalidBlockError as error:
            _log.warning("%s refuses block %d from %s: %s", self.name, self.height, envelope.sender, error)
            self.refused["invalid_block"] += 1
            self._source = self._another_source(envelope.sender)
            return
        # Fewer than it could send are all that there were a moment ago; what comes now, one hears of as all do.
        if len(message.blocks) < BATCH_BLOCKS:
            self.caught_up.set()
        elif self.height > before and self._source is not None:
            self._ask_for_blocks(self._source)

    def _is_elsewhere(self, chain: bytes, height: int, sender: str) -> bool:
        """Whether a message is about another height: then about the past, or there are blocks to be asked for."""
        if chain != self._chain:
            raise RefusedError("other_chain")
        if height > self.height:
            self._ask_for_blocks(sender)
        return height != self.height

    def _require_voter(self, envelope: messages.Envelope, message: messages.Message) -> None:
        if envelope.sender not in self.tip.validators:
            raise RefusedError("stranger")
        messages.require_signature(envelope, message, self.tip.validators[envelope.sender].public_key)

    def _require_member(self, envelope: messages.Envelope, message: messages.Message) -> None:
        public_key = self._network.public_key(envelope.sender)
        if public_key is None:
            raise RefusedError("stranger")
        messages.require_signature(envelope, message, public_key)

    # What goes out

    async def _act(self, actions: list[Action]) -> None:
        left = deque(actions)
        while left:
            match left.popleft():
                case CastVote(round_number, step, block):
                    if step is Step.PREVOTE and block == NO_BLOCK:
                        self.passed_over[self.rounds.leader(round_number)] += 1
                    left += self._cast(Vote(self._chain, self.height, round_number, step, block, self.name))
                case Propose(round_number, block, proof):
                    left += await self._propose(round_number, block, proof)
                case Wait(step, round_number):
                    self._at(self._pace.timeout_s(step, round_number), partial(self.rounds.timeout, step, round_number))
                case Decided(block, certificate):
                    await self._finish(self._candidates[block], certificate)
                    return

    def _cast(self, vote: Vote) -> list[Action]:
        raw = messages.seal(vote, self.name, self._key)
        self._network.broadcast(self.name, raw)
        envelope, _ = messages.open_envelope(raw)
        return self.rounds.vote(vote, envelope.signature)

    async def _propose(self, round_number: int, block: bytes | None, proof: Certificate | None) -> list[Action]:
        if block is None:
            now_ms = round(self._clock() * 1000)
            # Kept to the schedule, unless a whole block was missed.
            late = now_ms - self._due_ms > self._pace.block_time_s * 1000
            timestamp_ms = now_ms if late else self._due_ms
            candidate = await make_candidate(
                self.name,
                self.tip.header,
                self.tip.validators,
                self.pool,
                limit=self._pace.max_transactions,
                timestamp_ms=timestamp_ms,
            )
            block = header_hash(candidate.header)
            self._candidates[block] = candidate
        candidate = self._candidates[block]
        proposal = Proposal(round_number, proof, candidate.header, candidate.ids, self.name)
        raw = messages.seal(proposal, self.name, self._key)
        self._proposed.append(raw)
        self._network.broadcast(self.name, raw)
        return self.rounds.proposal(round_number, block, -1 if proof is None else proof.round, valid=True)

    async def _finish(self, candidate: Candidate, certificate: Certificate) -> None:
        changed = candidate.following is not self.tip.validators
        next_set = candidate.following.encoded if changed else None
        block = FinalBlock(candidate.header, certificate, next_set, candidate.ids)
        begun_at = self._begun_at
        await self._take_over(block, Tip(candidate.header, candidate.following))
        if begun_at is not None:
            self.consensus_s.append(monotonic() - begun_at)

    async def _take_over(self, block: FinalBlock, following: Tip) -> None:
        await self._store.append(block, following)
        for name, (first, second) in self.rounds.votes.double_votes.items():
            _log.warning("%s has voted for two blocks: %s, %s", name, first, second)
            self.double_votes[name] += 1
        settled = set[bytes]()
        async for piece in in_slices(split_ids(block.ids or b"")):
            self.pool.drop(piece)
            settled.update(piece)
        self.pool.remember(settled)
        self.tip = following
        self._begin_height()

    def _send(self, receiver: str, message: messages.Message) -> None:
        self._network.send(receiver, messages.seal(message, self.name, self._key))

    def _ask_for_blocks(self, source: str) -> None:
        now = asyncio.get_running_loop().time()
        if self._asked_at >= 0 and now - self._asked_at < self._pace.repeat_s:
            return
        self._source, self._asked_at = source, now
        self._send(source, messages.WantBlocks(self.height))

    def _another_source(self, but: str) -> str | None:
        others = [validator.name for validator in self.tip.validators if validator.name not in {but, self.name}]
        return others[0] if others else None

    def _ask_for_transactions(self, missing: list[bytes]) -> None:
        for at in range(0, min(len(missing), BATCH_TRANSACTIONS * 8), BATCH_TRANSACTIONS):
            self._send(GATEWAY, messages.WantTransactions(missing[at : at + BATCH_TRANSACTIONS]))
