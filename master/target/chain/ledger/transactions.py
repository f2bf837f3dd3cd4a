"""Transactions: their canonical bytes, their identity, and what each kind may say.

The canonical bytes of a transaction are the MessagePack array of its fields, each in its shortest form; its id is their
SHA-256. Who sent it is vouched for by the gateway, which has checked the sender's token and signs what it hands out.
"""

from __future__ import annotations

from enum import StrEnum
from hashlib import sha256
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

ID_BYTES = 32
MAX_PAYLOAD_BYTES = 4096
POOT_SENDER = "poot"
CHAIN_SENDER = "chain"
"""Senders that no account has: the platform's own parts."""

Name = Annotated[str, Meta(min_length=1, max_length=64)]
Weight = Annotated[int, Meta(ge=1, le=1_000_000)]
"""A validator's weight: a trust score in parts per million."""


class Kind(StrEnum):
    """What a transaction is about."""

    RECORD = "record"
    ANCHOR = "anchor"
    POOT = "poot"
    VALIDATOR = "validator"


class InvalidTransactionError(Exception):
    """A transaction that may not be in a block; says why."""


class Transaction(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A statement of `sender`. `nonce` tells two apart that say the same; `payload` is JSON."""

    kind: Kind
    sender: Name
    nonce: Name
    payload: Annotated[bytes, Meta(max_length=MAX_PAYLOAD_BYTES)]


class Weights(Struct, frozen=True):
    """What the payload of a `poot` transaction says to the chain, among more: weights of validators from now on."""

    weights: Annotated[dict[Name, Weight], Meta(max_length=64)]


class Joining(Struct, frozen=True, forbid_unknown_fields=True):
    """The payload of a `validator` transaction: one that takes part from the next block on."""

    name: Name
    public_key: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


Change = Weights | Joining
"""What a transaction changes in the set of validators."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Transaction).decode
_decode_weights = msgspec.json.Decoder(Weights).decode
_decode_joining = msgspec.json.Decoder(Joining).decode
SYSTEM_SENDERS = {Kind.POOT: POOT_SENDER, Kind.VALIDATOR: CHAIN_SENDER}
"""Kinds that only the platform itself sends."""


def encode(transaction: Transaction) -> bytes:
    """The canonical bytes."""
    return _encode(transaction)


def transaction_id(canonical: bytes) -> bytes:
    """The id of the transaction with these canonical bytes."""
    return sha256(canonical).digest()


def decode(canonical: bytes) -> Transaction:
    """The transaction with these bytes. Raises InvalidTransactionError if they are not the canonical bytes of any."""
    try:
        transaction = _decode(canonical)
    except (msgspec.DecodeError, ValueError) as error:
        raise InvalidTransactionError(str(error)) from None
    # The same fields in longer forms would be another id for the same transaction.
    if _encode(transaction) != canonical:
        raise InvalidTransactionError("not in canonical form")
    return transaction


def change_of(transaction: Transaction) -> Change | None:
    """What it changes in the set of validators, if anything. Raises InvalidTransactionError where it may not say what it does."""
    sender = SYSTEM_SENDERS.get(transaction.kind)
    if sender is None:
        return None
    if transaction.sender != sender:
        raise InvalidTransactionError(f"{transaction.kind.value} is not for {transaction.sender} to send")
    try:
        return (_decode_weights if transaction.kind is Kind.POOT else _decode_joining)(transaction.payload)
    except (msgspec.DecodeError, ValueError) as error:
        raise InvalidTransactionError(f"payload: {error}") from None
