"""The set of validators at one height: who may vote, with which key, and with how much weight."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from hashlib import sha256
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from master.target.chain.ledger.transactions import Change, Joining, Name, Weight, Weights

MAX_VALIDATORS = 32
NO_SCORE_WEIGHT = 100_000
"""The weight of a validator whose node has no trust score yet: a tenth of the most that a node can earn."""


class Validator(NamedTuple):
    """One that may vote. `public_key` is of Ed25519; `weight` counts votes and chances to lead."""

    name: Name
    public_key: Annotated[bytes, Meta(min_length=32, max_length=32)]
    weight: Weight


Entries = Annotated[list[Validator], Meta(min_length=1, max_length=MAX_VALIDATORS)]
_decode = msgspec.msgpack.Decoder(Entries).decode


class ValidatorSet:
    """Validators in the order of their names; unchangeable."""

    def __init__(self, validators: Iterable[Validator]) -> None:
        self._by_name = {validator.name: validator for validator in sorted(validators)}
        self.total_weight = sum(validator.weight for validator in self)

    def __iter__(self) -> Iterator[Validator]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Validator:
        return self._by_name[name]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ValidatorSet) and self._by_name == other._by_name

    __hash__ = None  # type: ignore[assignment]

    def names(self) -> list[str]:
        """All names in order."""
        return list(self._by_name)

    def weight(self, name: str) -> int:
        """The weight of that validator; 0 for a stranger."""
        found = self._by_name.get(name)
        return 0 if found is None else found.weight

    def is_quorum(self, weight: int) -> bool:
        """Whether `weight` is more than two thirds of all.

        Exactly two thirds would let two halves of a set of three, that share one liar, decide on two blocks.
        """
        return 3 * weight > 2 * self.total_weight

    def has_honest(self, weight: int) -> bool:
        """Whether `weight` is more than a third: then not all of it can be liars', or no quorum could be trusted."""
        return 3 * weight > self.total_weight

    @cached_property
    def encoded(self) -> bytes:
        """The set in bytes, the same for equal sets."""
        return msgspec.msgpack.encode(list(self))

    @cached_property
    def digest(self) -> bytes:
        """The hash by which a header names the set."""
        return sha256(b"piswarm validators" + self.encoded).digest()

    def after(self, changes: Iterable[Change]) -> ValidatorSet:
        """The set once these changes have taken effect, one after the other.

        Weights of strangers, and newcomers whose name is taken or for whom there is no room, change nothing.
        """
        found = dict(self._by_name)
        for change in changes:
            match change:
                case Joining(name, public_key):
                    if name not in found and len(found) < MAX_VALIDATORS:
                        found[name] = Validator(name, bytes.fromhex(public_key), NO_SCORE_WEIGHT)
                case Weights(weights):
                    found |= {name: found[name]._replace(weight=weights[name]) for name in weights if name in found}
        return self if found == self._by_name else ValidatorSet(found.values())


def equal_validators(public_keys: Mapping[str, bytes]) -> ValidatorSet:
    """A set in which all weigh the same, as long as there are no trust scores."""
    return ValidatorSet(Validator(name, key, NO_SCORE_WEIGHT) for name, key in public_keys.items())


def decode_set(raw: bytes) -> ValidatorSet:
    """The set with these bytes. Raises ValueError if they are none."""
    found = ValidatorSet(_decode(raw))
    if found.encoded != raw:
        raise ValueError("not the canonical form of a set of validators")
    return found
