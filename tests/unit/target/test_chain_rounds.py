"""The rounds of validators, on a network that a test plays: it delays, loses, repeats and reorders messages."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from master.target.chain.consensus.rounds import PROPOSE, Action, CastVote, Decided, Propose, Rounds, Wait
from master.target.chain.consensus.votes import VoteBook
from master.target.chain.ledger.blocks import NO_BLOCK, Certificate, Step, Vote
from master.target.chain.ledger.validator_set import Validator, ValidatorSet

PARENT = bytes(32)
NAMES = ("a", "b", "c", "d")
SET = ValidatorSet(Validator(name, bytes(32), 100) for name in NAMES)


def vote(voter: str, block: bytes, step: Step = Step.PREVOTE, round_number: int = 0) -> Vote:
    return Vote(bytes(32), 1, round_number, step, block, voter)


class PlayedNetwork:
    """Validators and the messages on their way to them. Those of `liars` are played by the test."""

    def __init__(self, seed: int, liars: tuple[str, ...] = ()) -> None:
        self.random = random.Random(seed)
        self.liars = liars
        self.members = {name: Rounds(name, PARENT, SET) for name in NAMES if name not in liars}
        self.under_way: list[tuple[str, tuple[object, ...]]] = []
        self.waiting: list[tuple[str, Wait]] = []
        self.said: list[tuple[object, ...]] = []
        self.decided: dict[str, bytes] = {}

    def start(self) -> None:
        for name, rounds in self.members.items():
            self.act(name, rounds.start())

    def tell_all(self, message: tuple[object, ...]) -> None:
        self.said.append(message)
        self.under_way += [(name, message) for name in self.members]

    def act(self, name: str, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Propose(number, block, proof):
                    valid_round = -1 if proof is None else proof.round
                    message = ("proposal", number, block or f"{name}{number}".encode(), valid_round)
                    self.tell_all(message)
                    self.deliver(name, message)
                case CastVote(number, step, block):
                    message = ("vote", vote(name, block, step, number))
                    self.tell_all(message)
                    self.deliver(name, message)
                case Wait():
                    self.waiting.append((name, action))
                case Decided(block, _):
                    self.decided[name] = block

    def deliver(self, name: str, message: tuple[object, ...]) -> None:
        match message:
            case ("proposal", number, block, valid_round):
                self.act(name, self.members[name].proposal(number, block, valid_round, valid=True))
            case ("vote", cast):
                self.act(name, self.members[name].vote(cast, b""))

    def step(self, loss: float) -> None:
        """Anything that can happen next."""
        if self.liars and self.random.random() < 0.3:
            self.lie()
        if self.waiting and (not self.under_way or self.random.random() < 0.1):
            name, wait = self.waiting.pop(self.random.randrange(len(self.waiting)))
            self.act(name, self.members[name].timeout(wait.step, wait.round))
        elif self.under_way:
            name, message = self.under_way.pop(self.random.randrange(len(self.under_way)))
            if self.random.random() >= loss:
                self.deliver(name, message)

    def lie(self) -> None:
        """A liar tells each validator something of its own: votes for any block, and two proposals for one round."""
        liar = self.random.choice(self.liars)
        number = self.random.randrange(4)
        known = [message[2] for message in self.said if message[0] == "proposal"]
        block = self.random.choice([NO_BLOCK, b"x", b"y", *known])
        name = self.random.choice(list(self.members))
        step = self.random.choice([Step.PREVOTE, Step.PRECOMMIT])
        self.under_way.append((name, ("vote", vote(liar, block, step, number))))
        if self.members[name].leader(number) == liar and block != NO_BLOCK:
            self.under_way.append((name, ("proposal", number, block, -1)))

    def calm_down(self) -> None:
        """From here on all messages arrive, what was lost before is repeated, and timeouts are longer than that takes."""
        for _ in range(200):
            proposals = [message for message in self.said if message[0] == "proposal"]
            votes = [("vote", known) for rounds in self.members.values() for known, _ in rounds.votes_to_repeat()]
            self.under_way += [(name, message) for message in [*proposals, *votes] for name in self.members]
            while self.under_way:
                self.deliver(*self.under_way.pop(0))
            if len(self.decided) == len(self.members) or (self.liars and self.decided):
                return  # whom a liar has shown another block than the rest catches up
            waiting, self.waiting = self.waiting, []
            for name, wait in waiting:
                self.act(name, self.members[name].timeout(wait.step, wait.round))


def test_without_disturbance_the_first_leaders_block_is_final_in_round_0() -> None:
    network = PlayedNetwork(0)
    network.start()
    while network.under_way:
        network.deliver(*network.under_way.pop(0))
    first = network.members["a"].leader(0)
    assert set(network.decided) == set(NAMES)
    assert set(network.decided.values()) == {f"{first}0".encode()}


def test_a_leader_that_says_nothing_is_passed_over() -> None:
    silent = Rounds("a", PARENT, SET).leader(0)
    network = PlayedNetwork(0, liars=(silent,))
    network.start()
    network.calm_down()
    second = Rounds("a", PARENT, SET).leader(1)
    assert set(network.decided.values()) == {f"{second}1".encode()}


def test_half_of_the_validators_decide_nothing() -> None:
    network = PlayedNetwork(0, liars=("a", "b"))
    network.start()
    network.calm_down()
    assert network.decided == {}


@settings(deadline=None, max_examples=3 * settings().max_examples)
@given(st.integers(0, 2**32), st.sampled_from([(), ("a",), ("b",), ("d",)]), st.floats(0, 0.6))
def test_all_decide_on_one_block_whatever_is_lost_late_or_a_lie(seed: int, liars: tuple[str, ...], loss: float) -> None:
    """Never two blocks; and one, once messages arrive again."""
    network = PlayedNetwork(seed, liars)
    network.start()
    for _ in range(network.random.randrange(400)):
        network.step(loss)
    network.calm_down()
    assert len(set(network.decided.values())) == 1
    if not liars:
        assert set(network.decided) == set(NAMES)


def test_a_proposal_that_breaks_the_rules_gets_no_vote() -> None:
    rounds = Rounds("a", PARENT, SET)
    rounds.start()
    assert rounds.proposal(0, b"x", -1, valid=False) == [CastVote(0, Step.PREVOTE, NO_BLOCK)]


def test_one_that_is_locked_votes_for_no_other_block_unless_a_quorum_did_in_between() -> None:
    rounds = Rounds("a", PARENT, SET)
    rounds.start()
    rounds.proposal(0, b"x", -1, valid=True)
    for name in ("a", "b", "c"):
        actions = rounds.vote(vote(name, b"x"), b"")
    assert CastVote(0, Step.PRECOMMIT, b"x") in actions
    rounds.vote(vote("a", b"x", Step.PRECOMMIT), b"")
    rounds.timeout(Step.PRECOMMIT, 0)
    assert rounds.round == 1
    assert rounds.proposal(1, b"y", -1, valid=True) == [CastVote(1, Step.PREVOTE, NO_BLOCK)]
    rounds.timeout(Step.PRECOMMIT, 1)
    assert rounds.proposal(2, b"y", 1, valid=True) == [CastVote(2, Step.PREVOTE, b"y")]


def test_who_leads_proposes_what_it_is_locked_on_with_the_proof() -> None:
    rounds = Rounds("a", PARENT, SET)
    own = next(number for number in range(1, 9) if rounds.leader(number) == "a")
    rounds.start()
    rounds.proposal(0, b"x", -1, valid=True)
    for name in ("a", "b", "c"):
        rounds.vote(vote(name, b"x"), name.encode())
    for number in range(own):
        actions = rounds.timeout(Step.PRECOMMIT, number)
    (proposed,) = [action for action in actions if isinstance(action, Propose)]
    assert proposed == Propose(own, b"x", Certificate(0, [("a", b"a"), ("b", b"b"), ("c", b"c")]))


def test_one_that_is_no_validator_follows_without_a_vote() -> None:
    rounds = Rounds("stranger", PARENT, SET)
    assert rounds.start() == [Wait(PROPOSE, 0)]
    assert rounds.proposal(0, b"x", -1, valid=True) == []
    for name in ("a", "b"):
        assert rounds.vote(vote(name, b"x", Step.PRECOMMIT), b"") == []
    (decided,) = [action for action in rounds.vote(vote("c", b"x", Step.PRECOMMIT), b"") if isinstance(action, Decided)]
    assert [voter for voter, _ in decided.certificate.votes] == ["a", "b", "c"]


def test_strangers_votes_do_not_count_and_second_thoughts_are_a_proof() -> None:
    book = VoteBook(SET)
    assert not book.add(vote("stranger", b"x"), b"", 0)
    assert book.add(vote("a", b"x"), b"", 0)
    assert not book.add(vote("a", b"x"), b"", 0)
    assert book.double_votes == {}
    assert not book.add(vote("a", b"y"), b"", 0)
    assert book.double_votes["a"] == (vote("a", b"x"), vote("a", b"y"))
    assert book.add(vote("b", b"y"), b"", 0)
    assert not book.is_quorum_in(0, Step.PREVOTE), "two have voted, however often"
    assert book.add(vote("c", b"x"), b"", 0)
    assert book.is_quorum_in(0, Step.PREVOTE)
    assert not book.is_quorum_for(0, Step.PREVOTE, b"x")


@pytest.mark.parametrize("number", [65, 2**62])
def test_votes_for_rounds_far_ahead_fill_no_memory(number: int) -> None:
    book = VoteBook(SET)
    assert not book.add(vote("a", b"x", round_number=number), b"", 0)
    assert book.add(vote("a", b"x", round_number=64), b"", 0)
