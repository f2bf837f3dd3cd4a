"""The handlers under /chain."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import reduce
from operator import or_
from typing import Any, ClassVar

import msgspec

from master.target.api import errors
from master.target.api.caller import Role
from master.target.api.domain import Domain
from master.target.api.endpoint import Call, Endpoint
from master.target.api.metrics import Gauge
from master.target.chain.chain import Chain, Member
from master.target.chain.consensus.slices import in_slices
from master.target.chain.ledger.blocks import FinalBlock, header_hash, split_ids
from master.target.chain.ledger.merkle import MerkleTree
from master.target.chain.ledger.transactions import ID_BYTES, Kind, Transaction, decode
from master.target.chain.messages import (
    BlockDetails,
    BlockInfo,
    BlockPage,
    BlockPageQuery,
    ChainStatistics,
    Consensus,
    NewTransaction,
    NewValidator,
    Proof,
    SignedVote,
    TransactionIdsQuery,
    TransactionInfo,
    ValidatorInfo,
)
from master.target.chain.storage import StoredTransaction

_CACHED_TREES = 4
"""Trees of the largest blocks take 1 ms for each thousand transactions to make, and 1.5 MB to keep."""


class ChainApi(Domain):
    """Transactions, blocks, proofs, and how the validators agree."""

    summary_types: ClassVar[Mapping[str, Any]] = {"chain": ChainStatistics}

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._trees: dict[int, MerkleTree] = {}

    def endpoints(self) -> list[Endpoint]:
        """As Domain."""
        transactions, blocks = "/chain/transactions", "/chain/blocks"
        return [
            Endpoint(
                "POST",
                transactions,
                self.submit,
                "Hand in a transaction",
                body=NewTransaction,
                reply=TransactionInfo,
                status=201,
                errors=(409, 429),
            ),
            Endpoint("GET", transactions + "/{id}", self.transaction, "One transaction", reply=TransactionInfo),
            Endpoint("GET", blocks, self.blocks, "Blocks, newest first", query=BlockPageQuery, reply=BlockPage),
            Endpoint("GET", f"{blocks}/latest", self.latest, "The newest block", reply=BlockInfo),
            Endpoint(
                "GET",
                blocks + "/{height}",
                self.block,
                "One block with its certificate",
                query=TransactionIdsQuery,
                reply=BlockDetails,
            ),
            Endpoint("GET", "/chain/consensus", self.consensus, "How validators agree", reply=Consensus),
            Endpoint(
                "GET", "/chain/proofs/{id}", self.proof, "That a transaction is in a block", reply=Proof, errors=(409,)
            ),
            Endpoint(
                "POST",
                "/chain/validators",
                self.add_validator,
                "Take in another validator",
                roles=(Role.ADMIN,),
                body=NewValidator,
                reply=ValidatorInfo,
                status=201,
                errors=(409,),
                audited=True,
            ),
            Endpoint("GET", "/chain/statistics", self.statistics, "Sums and means", reply=ChainStatistics),
        ]

    async def start(self) -> None:
        """As Domain."""
        await self._chain.start()

    async def stop(self) -> None:
        """As Domain."""
        await self._chain.stop()

    async def gauges(self) -> list[Gauge]:
        """As Domain."""
        found = self._statistics()
        return [
            Gauge("target_chain_height", "Height of the last block", found.height),
            Gauge("target_chain_transactions", "Transactions in blocks", found.transactions),
            Gauge("target_chain_pending", "Transactions in no block yet", found.pending),
            Gauge("target_chain_validators", "Validators that vote", found.validators),
            Gauge(
                "target_chain_consensus_seconds",
                "From a block's being due to its being final, the slowest of the last 100",
                found.max_consensus_s or 0.0,
            ),
            Gauge("target_chain_dropped_messages", "Messages lost at full inboxes", found.dropped_messages),
        ]

    async def summary(self) -> dict[str, Any]:
        """As Domain."""
        return {"chain": self._statistics()}

    async def submit(self, call: Call) -> TransactionInfo:
        """Take in a transaction of the caller."""
        wanted: NewTransaction = call.body
        nonce = secrets.token_hex(8) if wanted.nonce is None else wanted.nonce
        payload = msgspec.json.encode(wanted.payload, order="sorted")
        transaction = Transaction(Kind(wanted.kind), call.caller.name, nonce, payload)
        identity, submitted_at = await self._chain.admit(transaction)
        if submitted_at is None:
            raise errors.conflict(f"transaction {identity.hex()} is known")
        return _transaction_info(identity, transaction, submitted_at, None)

    async def transaction(self, call: Call) -> TransactionInfo:
        """How it stands."""
        identity = _id_in(call)
        found = await self._find(identity)
        return _transaction_info(identity, decode(found.canonical), found.submitted_at, found.height)

    async def blocks(self, call: Call) -> BlockPage:
        """In pages."""
        query: BlockPageQuery = call.query
        found = await self._chain.storage.blocks_before(query.before, query.limit)
        following = found[-1].header.height if len(found) == query.limit else None
        return BlockPage([_block_info(block) for block in found], following)

    async def latest(self, _call: Call) -> BlockInfo:
        """The newest block, without its certificate."""
        found = await self._chain.storage.blocks_before(self._chain.tip.header.height + 1, 1)
        return _block_info(found[0])

    async def block(self, call: Call) -> BlockDetails:
        """By its height."""
        number = call.path["height"]
        # Nine digits are more than any chain has blocks.
        height = int(number) if number.isascii() and number.isdigit() and len(number) <= 9 else -1
        block = await self._chain.storage.block(height)
        if block is None:
            raise errors.not_found("block")
        query: TransactionIdsQuery = call.query
        ids = None
        if block.ids is not None:
            listed = block.ids[query.offset * ID_BYTES : (query.offset + query.limit) * ID_BYTES]
            ids = [identity.hex() for identity in split_ids(listed)]
        votes = [SignedVote(voter, signature.hex()) for voter, signature in block.certificate.votes]
        info = msgspec.structs.asdict(_block_info(block))
        return BlockDetails(**info, votes=votes, transaction_ids=ids)

    async def consensus(self, _call: Call) -> Consensus:
        """As the first validator sees it."""
        tip, members = self._chain.tip, self._chain.members
        first = members[tip.validators.names()[0]].validator
        total = tip.validators.total_weight
        return Consensus(
            height=tip.header.height + 1,
            round=first.rounds.round,
            leader=first.rounds.leader(first.rounds.round),
            block_time_s=self._chain.pace.block_time_s,
            last_block_at=tip.header.timestamp_ms / 1000,
            last_consensus_s=max(self._each_last_consensus_s(), default=None),
            pending=len(self._chain.admission),
            quorum_weight=2 * total // 3 + 1,
            total_weight=total,
            validators=[self._validator_info(member) for member in members.values()],
        )

    async def proof(self, call: Call) -> Proof:
        """The audit path to the root of its block."""
        identity = _id_in(call)
        found = await self._find(identity)
        if found.height is None:
            raise errors.conflict("transaction is pending: it is in no block yet")
        block = await self._chain.storage.block(found.height)
        if block is None or block.ids is None:
            raise errors.not_found("transaction")
        index = _index_of(identity, block.ids)
        tree = await self._tree_of(block)
        return Proof(
            transaction=identity.hex(),
            height=found.height,
            block=header_hash(block.header).hex(),
            index=index,
            size=block.header.transactions,
            path=[step.hex() for step in tree.proof(index)],
            merkle_root=block.header.root.hex(),
        )

    async def add_validator(self, call: Call) -> ValidatorInfo:
        """It catches up first, and votes from the block after the one that takes it in."""
        return self._validator_info(await self._chain.add_validator(call.body.name))

    async def statistics(self, _call: Call) -> ChainStatistics:
        """As they are now."""
        return self._statistics()

    def _statistics(self) -> ChainStatistics:
        tip, members = self._chain.tip, self._chain.members
        consensus_s = [each for member in members.values() for each in member.validator.consensus_s]
        passed_over: Iterable[Counter[str]] = (member.validator.passed_over for member in members.values())
        return ChainStatistics(
            height=tip.header.height,
            transactions=tip.header.total,
            pending=len(self._chain.admission),
            validators=len(tip.validators),
            mean_block_time_s=self._chain.recent.mean_block_time_s(),
            mean_consensus_s=sum(consensus_s) / len(consensus_s) if consensus_s else None,
            max_consensus_s=max(consensus_s, default=None),
            transactions_per_s=self._chain.recent.transactions_per_s(),
            duplicates=self._chain.admission.duplicates,
            passed_over=dict(sum(passed_over, Counter())),
            double_votes=dict(reduce(or_, (member.validator.double_votes for member in members.values()))),
            refused_messages=dict(self._chain.refused_messages()),
            dropped_messages=self._chain.dropped_messages(),
        )

    def _each_last_consensus_s(self) -> list[float]:
        measured = (member.validator.consensus_s for member in self._chain.members.values())
        return [each[-1] for each in measured if each]

    def _validator_info(self, member: Member) -> ValidatorInfo:
        validator, chosen = member.validator, self._chain.tip.validators
        following = "voting" if validator.name in chosen else "following"
        return ValidatorInfo(
            validator.name,
            validator.public_key.hex(),
            chosen.weight(validator.name),
            following if validator.caught_up.is_set() else "syncing",  # type: ignore[arg-type]
            validator.tip.header.height,
            member.sync_s,
        )

    async def _find(self, identity: bytes) -> StoredTransaction:
        found = await self._chain.transaction(identity)
        if found is None:
            raise errors.not_found("transaction")
        return found

    async def _tree_of(self, block: FinalBlock) -> MerkleTree:
        known = self._trees.get(block.header.height)
        if known is not None:
            return known
        tree = MerkleTree()
        async for piece in in_slices(split_ids(block.ids or b"")):
            tree.extend(piece)
        while len(self._trees) >= _CACHED_TREES:
            del self._trees[next(iter(self._trees))]
        self._trees[block.header.height] = tree
        return tree


def _transaction_info(identity: bytes, said: Transaction, submitted_at: float, height: int | None) -> TransactionInfo:
    return TransactionInfo(
        id=identity.hex(),
        kind=said.kind.value,
        sender=said.sender,
        nonce=said.nonce,
        payload=msgspec.Raw(said.payload),
        submitted_at=submitted_at,
        state="pending" if height is None else "final",
        height=height,
    )


def _id_in(call: Call) -> bytes:
    text = call.path["id"]
    try:
        identity = bytes.fromhex(text)
    except ValueError:
        identity = b""
    if len(identity) != ID_BYTES or len(text) != 2 * ID_BYTES:
        raise errors.not_found("transaction")
    return identity


def _index_of(identity: bytes, ids: bytes) -> int:
    at = ids.find(identity)
    while at % ID_BYTES:  # by chance, across two others
        at = ids.find(identity, at + 1)
    return at // ID_BYTES


def _block_info(block: FinalBlock) -> BlockInfo:
    header = block.header
    return BlockInfo(
        height=header.height,
        hash=header_hash(header).hex(),
        parent=header.parent.hex(),
        created_at=header.timestamp_ms / 1000,
        merkle_root=header.root.hex(),
        transactions=header.transactions,
        total_transactions=header.total,
        proposer=header.proposer,
        round=block.certificate.round,
        validators_hash=header.validators.hex(),
        next_validators_hash=header.next_validators.hex(),
    )
