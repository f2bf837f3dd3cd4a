"""Who leads which round: drawn by weight, the same draw for everybody."""

from __future__ import annotations

from bisect import bisect_right
from hashlib import sha256
from itertools import accumulate

from master.target.chain.ledger.validator_set import ValidatorSet


def leader(parent: bytes, round_number: int, validators: ValidatorSet) -> str:
    """The validator that may propose the block after `parent` in that round.

    Each `len(validators)` rounds are a draw without replacement, with chances by weight: whoever led a round in vain is not
    drawn again before all others had their turn, and round 0 falls to each as often as its weight says.
    """
    cycle, drawn = divmod(round_number, len(validators))
    left = list(validators)
    for number in range(drawn + 1):
        seed = b"piswarm leader" + parent + cycle.to_bytes(8) + number.to_bytes(8)
        ends = list(accumulate(validator.weight for validator in left))
        # 256 bits over weights of some 30: the bias of the remainder is below 1e-60.
        point = int.from_bytes(sha256(seed).digest()) % ends[-1]
        chosen = left.pop(bisect_right(ends, point))
    return chosen.name
