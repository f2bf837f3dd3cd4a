"""The rounds in which validators agree on one block: the rules alone, without messages, clocks or signatures.

Theory of operation: Tendermint's algorithm (Buchman, Kwon, Milosevic: "The latest gossip on BFT consensus",
arXiv:1807.04938); the numbers in the code are the lines of its Algorithm 1.

    propose ──proposal, or timeout──► prevote ──two thirds──► precommit ──two thirds for a block──► decided
       ▲                                                          │
       └────────── next round, next leader ◄──timeout─────────────┘

Two steps of votes, since one is not enough: a validator that precommits is *locked* on its block, and in later rounds
prevotes for another only if two thirds did so in between. So no two blocks of one height both become final while liars
have less than a third of the weight, however late or incomplete the messages are.
"""

from __future__ import annotations

from dataclasses import dataclass

from master.target.chain.consensus.votes import VoteBook
from master.target.chain.ledger.blocks import NO_BLOCK, Certificate, Step, Vote
from master.target.chain.ledger.leaders import leader
from master.target.chain.ledger.validator_set import ValidatorSet

PROPOSE = 0
"""The step before Step.PREVOTE."""


@dataclass(frozen=True, slots=True)
class Propose:
    """It is this validator's turn: it has to propose `block`, or where that is None a new one."""

    round: int
    block: bytes | None
    proof: Certificate | None
    """The prevotes of the earlier round in which a quorum was for `block`: they free others from their locks."""


@dataclass(frozen=True, slots=True)
class CastVote:
    """Sign and send a vote, and give it back to `Rounds.vote`."""

    round: int
    step: Step
    block: bytes


@dataclass(frozen=True, slots=True)
class Wait:
    """Call `Rounds.timeout` with this step and round after a while."""

    step: int
    round: int


@dataclass(frozen=True, slots=True)
class Decided:
    """The block is final."""

    block: bytes
    certificate: Certificate


Action = Propose | CastVote | Wait | Decided


class Rounds:
    """One validator's part in deciding on one height. Each call returns what is to be done, in order."""

    def __init__(self, name: str, parent: bytes, validators: ValidatorSet) -> None:
        self._name = name
        self._parent = parent
        self._validators = validators
        self._proposals: dict[int, tuple[bytes, int, bool]] = {}  # by round: block, valid_round, whether it is valid
        self._waited: set[tuple[int, int]] = set()
        self._locked_block, self._locked_round = NO_BLOCK, -1
        self._valid_block, self._proof = NO_BLOCK, Certificate(-1, [])
        self.votes = VoteBook(validators)
        self.round = 0
        self.step: int = PROPOSE
        self.decided = False

    def leader(self, round_number: int) -> str:
        """Who proposes in that round."""
        return leader(self._parent, round_number, self._validators)

    def votes_to_repeat(self) -> list[tuple[Vote, bytes]]:
        """Everybody's votes that others may lack, with their signatures.

        Those of the round before brought this one into its round: without them, a liar who votes towards one validator
        alone would leave that one in a round to which no other can follow.
        """
        return self.votes.known(self.round - 1) + self.votes.known(self.round)

    def start(self) -> list[Action]:
        """Enter round 0, which may be long after the first messages for it came."""
        return self._enter(0)

    def proposal(self, round_number: int, block: bytes, valid_round: int, *, valid: bool) -> list[Action]:
        """The leader of that round has proposed `block`, which all rules of the chain allow, or not. Only its first counts.

        `valid_round`: the earlier round in which a quorum prevoted for it, as proven by signatures; or -1. (The algorithm
        waits for those votes themselves; a liar who shows them to one validator alone could lock that one for good.)
        """
        if self.decided or round_number in self._proposals:
            return []
        self._proposals[round_number] = (block, valid_round, valid)
        return self._apply_rules()

    def vote(self, vote: Vote, signature: bytes) -> list[Action]:
        """A vote has come whose signature is right."""
        if self.decided or not self.votes.add(vote, signature, self.round):
            return []
        return self._apply_rules()

    def timeout(self, step: int, round_number: int) -> list[Action]:
        """What `Wait` asked for is over. 57 to 67."""
        if self.decided or round_number != self.round:
            return []
        if step == PROPOSE and self.step == PROPOSE:
            return [*self._cast(Step.PREVOTE, NO_BLOCK), *self._apply_rules()]
        if step == Step.PREVOTE and self.step == Step.PREVOTE:
            return [*self._cast(Step.PRECOMMIT, NO_BLOCK), *self._apply_rules()]
        if step == Step.PRECOMMIT:
            return self._enter(self.round + 1)
        return []

    def _enter(self, round_number: int) -> list[Action]:
        """11 to 21."""
        self.round, self.step = round_number, PROPOSE
        self.votes.forget_old(round_number)
        self._proposals = {
            number: found
            for number, found in self._proposals.items()
            if number >= round_number - len(self._validators) or number == self._proof.round
        }
        actions: list[Action] = [Wait(PROPOSE, round_number)]
        if self.leader(round_number) == self._name:
            known = self._proof.round >= 0
            actions.append(Propose(round_number, self._valid_block if known else None, self._proof if known else None))
        return [*actions, *self._apply_rules()]

    def _apply_rules(self) -> list[Action]:
        """Every rule that has become true, until none is left."""
        actions: list[Action] = []
        while not self.decided:
            found = self._decide() or self._skip() or self._answer_proposal() or self._follow_prevotes() or self._wait()
            if not found:
                break
            actions += found
        return actions

    def _decide(self) -> list[Action]:
        """49 to 54, for blocks that are known; another comes by catching up."""
        decision = self.votes.decided()
        if decision is None:
            return []
        round_number, block = decision
        if not any(known == block for known, _, valid in self._proposals.values() if valid):
            return []
        self.decided = True
        return [Decided(block, self.votes.certificate(round_number, Step.PRECOMMIT, block))]

    def _skip(self) -> list[Action]:
        """55 to 56."""
        ahead = self.votes.round_ahead(self.round)
        return [] if ahead is None else self._enter(ahead)

    def _answer_proposal(self) -> list[Action]:
        """22 to 33."""
        found = self._proposals.get(self.round)
        if self.step != PROPOSE or found is None:
            return []
        block, valid_round, valid = found
        unlocked = self._locked_round < 0 if valid_round < 0 else self._locked_round <= valid_round
        acceptable = valid and valid_round < self.round and (unlocked or self._locked_block == block)
        return self._cast(Step.PREVOTE, block if acceptable else NO_BLOCK)

    def _follow_prevotes(self) -> list[Action]:
        """36 to 46."""
        if self.step == PROPOSE:
            return []
        found = self._proposals.get(self.round)
        if found is not None and found[2] and self.votes.is_quorum_for(self.round, Step.PREVOTE, found[0]):
            self._valid_block = found[0]
            self._proof = self.votes.certificate(self.round, Step.PREVOTE, found[0])
            if self.step == Step.PREVOTE:
                self._locked_block, self._locked_round = found[0], self.round
                return self._cast(Step.PRECOMMIT, found[0])
        elif self.step == Step.PREVOTE and self.votes.is_quorum_for(self.round, Step.PREVOTE, NO_BLOCK):
            return self._cast(Step.PRECOMMIT, NO_BLOCK)
        return []

    def _wait(self) -> list[Action]:
        """34 to 35 and 47 to 48."""
        for step in (Step.PREVOTE, Step.PRECOMMIT):
            key = (step, self.round)
            right_step = step is Step.PRECOMMIT or self.step == Step.PREVOTE
            if right_step and key not in self._waited and self.votes.is_quorum_in(self.round, step):
                self._waited = {known for known in self._waited if known[1] == self.round} | {key}
                return [Wait(step, self.round)]
        return []

    def _cast(self, step: Step, block: bytes) -> list[Action]:
        self.step = step
        return [CastVote(self.round, step, block)] if self._name in self._validators else []
