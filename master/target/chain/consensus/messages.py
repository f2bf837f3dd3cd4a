"""What validators and the gateway send to each other, and the envelope with its signature."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from master.target.chain.ledger.blocks import Certificate, Count, FinalBlock, Hash, Header, Ids, Signature, Vote
from master.target.chain.ledger.signing import SigningKey, is_signed
from master.target.chain.ledger.transactions import Name

BATCH_TRANSACTIONS = 128
"""Transactions a message: taking them up costs a validator about half a millisecond."""
BATCH_BLOCKS = 16
"""Blocks a message while catching up: their certificates cost four validators' set 4 ms to check."""


class Proposal(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="proposal"):
    """A leader's block for a round. `proof`: the prevotes of an earlier round in which a quorum was for it."""

    round: Count
    proof: Certificate | None
    header: Header
    ids: Ids
    sender: Name


class Transactions(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="transactions"):
    """From the gateway: canonical bytes of transactions that are pending. `number` rises from message to message."""

    number: Count
    transactions: Annotated[list[bytes], Meta(max_length=BATCH_TRANSACTIONS)]


class WantTransactions(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="want_transactions"):
    """To the gateway: a validator lacks transactions of a proposal."""

    ids: Annotated[list[Hash], Meta(max_length=BATCH_TRANSACTIONS)]


class WantBlocks(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="want_blocks"):
    """To a validator: the final blocks from this height on."""

    height: Count


class Blocks(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="blocks"):
    """The next final blocks; fewer than `BATCH_BLOCKS` when there are no more."""

    blocks: Annotated[list[FinalBlock], Meta(max_length=BATCH_BLOCKS)]


Message = Proposal | Vote | Transactions | WantTransactions | WantBlocks | Blocks


class Envelope(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A message in bytes, who sends it, and its signature."""

    sender: Name
    body: bytes
    signature: Signature


class RefusedError(Exception):
    """A message that is not looked at any further; says why in one word, by which it is counted."""


_encode = msgspec.msgpack.Encoder().encode
_decode_envelope = msgspec.msgpack.Decoder(Envelope).decode
_decode_message = msgspec.msgpack.Decoder(Message).decode


def seal(message: Message, sender: str, key: SigningKey) -> bytes:
    """The message in an envelope. A vote's signature is over the vote alone, so that it can stand in a certificate."""
    body = _encode(message)
    return _encode(Envelope(sender, body, key.sign(_signed_part(message, body, sender))))


def pass_on(vote: Vote, signature: bytes) -> bytes:
    """Another's vote, in the envelope in which it came."""
    return _encode(Envelope(vote.voter, _encode(vote), signature))


def open_envelope(raw: bytes) -> tuple[Envelope, Message]:
    """What an envelope says; its signature is for `require_signature` to check. Raises RefusedError."""
    try:
        envelope = _decode_envelope(raw)
        return envelope, _decode_message(envelope.body)
    except (msgspec.DecodeError, ValueError):
        raise RefusedError("malformed") from None


def require_signature(envelope: Envelope, message: Message, public_key: bytes) -> None:
    """Raises RefusedError unless the owner of that key sealed the envelope."""
    signed = _signed_part(message, envelope.body, envelope.sender)
    if not is_signed(public_key, signed, envelope.signature):
        raise RefusedError("forged")


def _signed_part(message: Message, body: bytes, sender: str) -> bytes:
    """Large bodies are signed by their hash; the sender stands in it, as it does in a vote."""
    if isinstance(message, Vote):
        return body
    return b"piswarm message" + sender.encode() + b"\x00" + sha256(body).digest()
