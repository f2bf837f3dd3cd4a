"""The users of the chain: they hand in transactions and follow them, and watch how blocks come."""

from __future__ import annotations

from typing import Any

from worker.users.lucid import replies
from worker.users.lucid.accounts import ADMINS
from worker.users.lucid.base import SignedInUser
from worker.users.lucid.merkle_proof import proves
from worker.users.measured import report

_KINDS = ("created", "recorded", "closed", "viewed")
PROTOCOL = "CHAIN"


class TransactionHolder(SignedInUser):
    """A user that has handed in a transaction, and wants to know what becomes of it."""

    abstract = True

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.transaction: replies.TransactionReply | None = None

    def submit(self) -> None:
        """Hand in a transaction."""
        payload = {"event": self.random.choice(_KINDS), "session": f"{self.random.getrandbits(64):016x}"}
        self.transaction = self.call(
            "POST",
            "/chain/transactions",
            replies.TransactionReply,
            body={"payload": payload},
            expected=(201,),
            check=lambda new: new.payload == payload and new.sender == self.username,
        )

    def follow(self, transaction: replies.TransactionReply) -> None:
        """Look how it stands."""
        self.transaction = self.call(
            "GET",
            f"/chain/transactions/{transaction.id}",
            replies.TransactionReply,
            name="/chain/transactions/[id]",
            check=lambda read: (
                (read.id, read.payload) == (transaction.id, transaction.payload)
                and (read.state == "final") == (read.height is not None)
            ),
        )


class BlockchainUser(TransactionHolder):
    """Hands in a transaction, follows it until it is final, checks the proof that it is in its block, and starts over.

    Meanwhile it reads blocks and how the validators agree.
    """

    wait_s = (5.0, 10.0)

    def work(self) -> None:
        """The next step with its transaction, or a look at the chain."""
        if self.transaction is None:
            self.submit()
        elif self.random.random() < 0.4:
            (look,) = self.random.choices((self._newest, self._blocks, self._consensus), (3, 2, 2))
            look()
        elif self.transaction.state == "final":
            self._verify(self.transaction)
        else:
            self.follow(self.transaction)

    def _verify(self, transaction: replies.TransactionReply) -> None:
        self.transaction = None
        self.call(
            "GET",
            f"/chain/proofs/{transaction.id}",
            replies.ProofReply,
            name="/chain/proofs/[id]",
            check=lambda proof: (
                proof.height == transaction.height
                and proves(
                    bytes.fromhex(transaction.id),
                    proof.index,
                    proof.size,
                    [bytes.fromhex(step) for step in proof.path],
                    bytes.fromhex(proof.merkle_root),
                )
            ),
        )

    def _newest(self) -> None:
        self.call("GET", "/chain/blocks/latest", replies.BlockReply, check=lambda block: block.height >= 0)

    def _blocks(self) -> None:
        self.call(
            "GET",
            "/chain/blocks?limit=5",
            replies.BlockPageReply,
            name="/chain/blocks",
            check=lambda page: page.is_chain(),
        )

    def _consensus(self) -> None:
        self.call(
            "GET",
            "/chain/consensus",
            replies.ConsensusReply,
            check=lambda found: found.quorum_weight > 2 * found.total_weight / 3,
        )


class TransactionUser(TransactionHolder):
    """Hands in ten transactions a second, and looks at one of twenty."""

    wait_s = (0.05, 0.15)

    def work(self) -> None:
        """A transaction, or a look at the last."""
        if self.transaction is not None and self.random.random() < 0.05:
            self.follow(self.transaction)
        else:
            self.submit()


class ChainWatchUser(SignedInUser):
    """Watches the chain once a second, and has it take in another validator. One is enough for a run.

    What it learns is counted as requests that took so long: `CHAIN block interval` from one block to the next, `CHAIN consensus`
    until the validators had agreed on a block, and `CHAIN sync` until the new validator had all blocks.
    """

    wait_s = (1.0, 1.0)
    pool = ADMINS

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._last: replies.BlockReply | None = None
        self._validator = f"watch-{self.random.getrandbits(32):08x}"
        self._joining = False
        self._synchronised = False

    def work(self) -> None:
        """A look at the newest block; where there is a new one, also at how it was agreed on."""
        last = self._last
        newest = self.call(
            "GET",
            "/chain/blocks/latest",
            replies.BlockReply,
            check=lambda block: last is None or block.follows(last) or block.height > last.height + 1,
        )
        if newest is None:
            return
        self._last = newest
        if last is not None and newest.height == last.height + 1:
            report(self, PROTOCOL, "block interval", newest.created_at - last.created_at, outside_loop=True)
            self._look_at_consensus()
        if not self._joining:
            self._add_validator()

    def _look_at_consensus(self) -> None:
        found = self.call("GET", "/chain/consensus", replies.ConsensusReply)
        if found is None:
            return
        if found.last_consensus_s is not None:
            report(self, PROTOCOL, "consensus", found.last_consensus_s, outside_loop=True)
        for each in found.validators:
            if each.name == self._validator and each.sync_s is not None and not self._synchronised:
                self._synchronised = True
                report(self, PROTOCOL, "sync", each.sync_s, outside_loop=True)

    def _add_validator(self) -> None:
        self._joining = True
        self.call(
            "POST",
            "/chain/validators",
            replies.ValidatorReply,
            body={"name": self._validator},
            expected=(201,),
            check=lambda new: new.name == self._validator,
        )
