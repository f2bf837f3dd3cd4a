"""The votes and proposals of one height, counted by weight."""

from __future__ import annotations

from typing import NamedTuple

from master.target.chain.ledger.blocks import NO_BLOCK, Certificate, Step, Vote
from master.target.chain.ledger.validator_set import ValidatorSet

MAX_ROUNDS_AHEAD = 64
"""Votes for rounds further ahead are not kept: nobody honest is there while a third of the weight is here."""
MAX_ROUNDS_BACK = 256
"""Votes of rounds further back are forgotten. That can cost rounds, never safety: what one is locked on is kept apart."""


class DoubleVote(NamedTuple):
    """Two votes of one validator that exclude each other: proof that it lies."""

    first: Vote
    second: Vote


class _Ballot:
    """One step of one round."""

    def __init__(self) -> None:
        self.votes: dict[str, tuple[Vote, bytes]] = {}
        self.weights: dict[bytes, int] = {}
        self.weight = 0


class VoteBook:
    """Who has voted for what at one height. It holds two votes a validator and round, and few rounds."""

    def __init__(self, validators: ValidatorSet) -> None:
        self._validators = validators
        self._ballots: dict[tuple[int, Step], _Ballot] = {}
        self.double_votes: dict[str, DoubleVote] = {}
        """The first proof against each liar."""

    def knows(self, vote: Vote) -> bool:
        """Whether just that vote has been counted, so that its signature need not be checked again."""
        ballot = self._ballots.get((vote.round, vote.step))
        return ballot is not None and vote.voter in ballot.votes and ballot.votes[vote.voter][0] == vote

    def add(self, vote: Vote, signature: bytes, current_round: int) -> bool:
        """Count a vote whose signature is right; whether it is new.

        Strangers' votes, those of rounds far away, and a second one that contradicts the first are not counted.
        """
        if vote.voter not in self._validators:
            return False
        if not current_round - MAX_ROUNDS_BACK <= vote.round <= current_round + MAX_ROUNDS_AHEAD:
            return False
        ballot = self._ballots.setdefault((vote.round, vote.step), _Ballot())
        known = ballot.votes.get(vote.voter)
        if known is not None:
            if known[0].block != vote.block:
                self.double_votes.setdefault(vote.voter, DoubleVote(known[0], vote))
            return False
        weight = self._validators.weight(vote.voter)
        ballot.votes[vote.voter] = (vote, signature)
        ballot.weights[vote.block] = ballot.weights.get(vote.block, 0) + weight
        ballot.weight += weight
        return True

    def known(self, round_number: int) -> list[tuple[Vote, bytes]]:
        """All votes of a round with their signatures."""
        ballots = [self._ballots[key] for step in Step if (key := (round_number, step)) in self._ballots]
        return [found for ballot in ballots for found in ballot.votes.values()]

    def forget_old(self, current_round: int) -> None:
        """Drop the votes of rounds that are long over."""
        for key in [key for key in self._ballots if key[0] < current_round - MAX_ROUNDS_BACK]:
            del self._ballots[key]

    def is_quorum_in(self, round_number: int, step: Step) -> bool:
        """Whether a quorum has voted, for whatever."""
        ballot = self._ballots.get((round_number, step))
        return ballot is not None and self._validators.is_quorum(ballot.weight)

    def is_quorum_for(self, round_number: int, step: Step, block: bytes) -> bool:
        """Whether a quorum has voted for `block`."""
        ballot = self._ballots.get((round_number, step))
        return ballot is not None and self._validators.is_quorum(ballot.weights.get(block, 0))

    def round_ahead(self, round_number: int) -> int | None:
        """The highest later round in which more than a third of the weight is: somebody honest is there."""
        voters: dict[int, set[str]] = {}
        for (number, _), ballot in self._ballots.items():
            if number > round_number:
                voters.setdefault(number, set()).update(ballot.votes)
        honest = [number for number, names in voters.items() if self._validators.has_honest(self._weight(names))]
        return max(honest, default=None)

    def decided(self) -> tuple[int, bytes] | None:
        """The round and the block for which a quorum has precommitted, if there is one."""
        for (number, step), ballot in self._ballots.items():
            if step is Step.PRECOMMIT:
                for block, weight in ballot.weights.items():
                    if block != NO_BLOCK and self._validators.is_quorum(weight):
                        return number, block
        return None

    def certificate(self, round_number: int, step: Step, block: bytes) -> Certificate:
        """The votes for `block` in that round."""
        votes = self._ballots[round_number, step].votes.values()
        return Certificate(round_number, [(vote.voter, signature) for vote, signature in votes if vote.block == block])

    def _weight(self, names: set[str]) -> int:
        return sum(map(self._validators.weight, names))
