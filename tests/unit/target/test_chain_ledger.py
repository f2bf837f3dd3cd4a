"""Transactions, sets of validators, leaders, headers and certificates."""

from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.target.chain.ledger import blocks, transactions
from master.target.chain.ledger.blocks import Certificate, FinalBlock, Header, InvalidBlockError, Step, Vote
from master.target.chain.ledger.leaders import leader
from master.target.chain.ledger.merkle import EMPTY_ROOT
from master.target.chain.ledger.signing import SigningKey
from master.target.chain.ledger.transactions import InvalidTransactionError, Joining, Kind, Transaction, Weights
from master.target.chain.ledger.validator_set import (
    NO_SCORE_WEIGHT,
    Validator,
    ValidatorSet,
    decode_set,
    equal_validators,
)

KEYS = {f"v{number}": SigningKey(bytes([number]) * 32) for number in range(1, 5)}
SET = equal_validators({name: key.public_key for name, key in KEYS.items()})
GENESIS = blocks.genesis(SET, bytes(32), 1000)


def following(before: Header, /, **changes: object) -> Header:
    """The header of an empty block after `before`."""
    header = Header(
        blocks.chain_of(before), before.height + 1, blocks.header_hash(before), before.timestamp_ms + 1000, EMPTY_ROOT, 0,
        before.total, "v1", SET.digest, SET.digest,
    )  # fmt: skip
    return msgspec.structs.replace(header, **changes)


def certificate(header: Header, *voters: str, **changes: object) -> Certificate:
    """Precommits of round 0 by these."""
    votes = []
    for voter in voters:
        vote = Vote(header.chain, header.height, 0, Step.PRECOMMIT, blocks.header_hash(header), voter)
        votes.append((voter, KEYS[voter].sign(blocks.encode(msgspec.structs.replace(vote, **changes)))))
    return Certificate(0, votes)


def test_the_id_is_the_hash_of_the_canonical_bytes_and_of_nothing_else() -> None:
    sent = Transaction(Kind.RECORD, "user0001", "1", b'{"a":1}')
    raw = transactions.encode(sent)
    assert transactions.decode(raw) == sent
    assert transactions.transaction_id(raw) == transactions.transaction_id(transactions.encode(sent))
    for other in ("kind", Kind.ANCHOR), ("sender", "user0002"), ("nonce", "2"), ("payload", b""):
        changed = msgspec.structs.replace(sent, **dict([other]))
        assert transactions.transaction_id(transactions.encode(changed)) != transactions.transaction_id(raw)


def test_other_bytes_of_the_same_transaction_are_refused() -> None:
    """They would be another id for it."""
    raw = transactions.encode(Transaction(Kind.RECORD, "u", "1", b""))
    longer = raw.replace(b"\xa1u", b"\xd9\x01u")  # the string with a length byte of its own
    assert msgspec.msgpack.decode(longer) == msgspec.msgpack.decode(raw)
    with pytest.raises(InvalidTransactionError, match="canonical"):
        transactions.decode(longer)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_as_a_transaction(raw: bytes) -> None:
    with pytest.raises(InvalidTransactionError):
        transactions.decode(raw)


@pytest.mark.parametrize(
    ("kind", "sender", "payload", "fault"),
    [
        (Kind.POOT, "user0001", b'{"weights":{"v1":5}}', "not for user0001"),
        (Kind.VALIDATOR, "poot", b"{}", "not for poot"),
        (Kind.POOT, "poot", b'{"weights":{"v1":0}}', "payload"),
        (Kind.POOT, "poot", b'{"weights":{"v1":1.5}}', "payload"),
        (Kind.POOT, "poot", b"[" * 4000, "payload"),
        (Kind.VALIDATOR, "chain", b'{"name":"v9","public_key":"zz"}', "payload"),
    ],
)
def test_only_the_platform_changes_validators_and_only_in_the_right_form(
    kind: Kind, sender: str, payload: bytes, fault: str
) -> None:
    with pytest.raises(InvalidTransactionError, match=fault):
        transactions.change_of(Transaction(kind, sender, "1", payload))


def test_changes_of_the_set_take_effect_in_order() -> None:
    new = SigningKey(bytes(32)).public_key
    found = SET.after([Joining("v9", new.hex()), Weights({"v9": 7, "v1": 9, "stranger": 5}), Weights({"v1": 8})])
    assert found["v9"] == Validator("v9", new, 7)
    assert (found["v1"].weight, found["v2"].weight) == (8, NO_SCORE_WEIGHT)
    assert "stranger" not in found
    assert SET.after([Joining("v1", new.hex())]) is SET, "nobody takes another's name"
    assert decode_set(found.encoded) == found
    assert found.digest != SET.digest


@given(st.lists(st.integers(1, 1_000_000), min_size=1, max_size=9), st.binary(min_size=32, max_size=32))
def test_every_validator_leads_once_in_as_many_rounds_as_there_are_validators(
    weights: list[int], parent: bytes
) -> None:
    """So one that does not propose is passed over by all others."""
    validators = ValidatorSet(Validator(f"v{at}", bytes(32), weight) for at, weight in enumerate(weights))
    for cycle in range(2):
        led = [leader(parent, cycle * len(weights) + number, validators) for number in range(len(weights))]
        assert sorted(led) == sorted(validator.name for validator in validators)


def test_validators_lead_as_often_as_their_weight_says() -> None:
    """Over blocks whose hashes are fixed; the tolerance is five standard deviations."""
    weights = {"a": 100_000, "b": 200_000, "c": 300_000, "d": 400_000}
    validators = ValidatorSet(Validator(name, bytes(32), weight) for name, weight in weights.items())
    draws = 4000
    led = Counter(leader(number.to_bytes(32), 0, validators) for number in range(draws))
    for name, weight in weights.items():
        share = weight / 1_000_000
        assert abs(led[name] - draws * share) < 5 * (draws * share * (1 - share)) ** 0.5


@pytest.mark.parametrize(
    "changes",
    [
        {"height": 2},
        {"chain": bytes(32)},
        {"parent": bytes(32)},
        {"timestamp_ms": 1000},
        {"total": 1},
        {"proposer": "stranger"},
        {"validators": bytes(32)},
    ],
)
def test_a_header_that_does_not_follow_its_parent_is_refused(changes: dict[str, object]) -> None:
    blocks.check_header(following(GENESIS), GENESIS, SET)
    with pytest.raises(InvalidBlockError):
        blocks.check_header(following(GENESIS, **changes), GENESIS, SET)


def test_more_than_two_thirds_of_the_weight_make_a_block_final() -> None:
    header = following(GENESIS)
    blocks.check_certificate(certificate(header, "v1", "v2", "v4"), header, SET)
    with pytest.raises(InvalidBlockError, match="no quorum"):
        blocks.check_certificate(certificate(header, "v1", "v2"), header, SET)
    light = SET.after([Weights({"v1": 1, "v2": 1, "v4": 1})])
    with pytest.raises(InvalidBlockError, match="no quorum"):
        blocks.check_certificate(certificate(header, "v1", "v2", "v4"), header, light)


def test_exactly_two_thirds_are_not_enough() -> None:
    three = ValidatorSet(SET[name] for name in ("v1", "v2", "v3"))
    assert not three.is_quorum(2 * NO_SCORE_WEIGHT)


@pytest.mark.parametrize(
    "changes",
    [{"height": 2}, {"round": 1}, {"step": Step.PREVOTE}, {"block": bytes(32)}, {"voter": "v2"}, {"chain": bytes(32)}],
)
def test_signatures_for_anything_else_do_not_count_in_a_certificate(changes: dict[str, object]) -> None:
    header = following(GENESIS)
    right, wrong = certificate(header, "v1", "v2", "v3"), certificate(header, "v4", **changes)
    with pytest.raises(InvalidBlockError, match="signature of v4"):
        blocks.check_certificate(Certificate(0, right.votes + wrong.votes), header, SET)


def test_a_vote_counts_once_in_a_certificate_and_a_strangers_never() -> None:
    header = following(GENESIS)
    right = certificate(header, "v1", "v2").votes
    with pytest.raises(InvalidBlockError, match="twice"):
        blocks.check_certificate(Certificate(0, [*right, right[0]]), header, SET)
    with pytest.raises(InvalidBlockError, match="stranger"):
        blocks.check_certificate(Certificate(0, [*right, ("v9", right[0][1])]), header, SET)


def test_the_next_set_must_be_the_one_that_the_header_names() -> None:
    other = SET.after([Weights({"v1": 5})])
    header = following(GENESIS, next_validators=other.digest)
    proof = certificate(header, "v1", "v2", "v3")
    assert blocks.set_after(FinalBlock(header, proof, other.encoded, b""), SET) == other
    for next_set in (None, SET.encoded, b"\xc0", other.encoded + b"\x00"):
        with pytest.raises(InvalidBlockError, match="next validators"):
            blocks.set_after(FinalBlock(header, proof, next_set, b""), SET)
