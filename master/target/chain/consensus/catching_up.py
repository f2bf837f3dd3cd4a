"""Taking over final blocks from another validator, none of which is believed without proof."""

from __future__ import annotations

from dataclasses import dataclass

from master.target.chain.consensus.candidates import merkle_root
from master.target.chain.ledger.blocks import (
    FinalBlock,
    Header,
    InvalidBlockError,
    check_certificate,
    check_header,
    set_after,
)
from master.target.chain.ledger.transactions import ID_BYTES
from master.target.chain.ledger.validator_set import ValidatorSet


@dataclass(frozen=True, slots=True)
class Tip:
    """The last block that one knows, and the set that decides on the next."""

    header: Header
    validators: ValidatorSet


async def follow(tip: Tip, block: FinalBlock) -> Tip:
    """The tip once `block` is taken over. Raises InvalidBlockError unless it follows the tip, and a quorum has signed it.

    Whether each of its transactions was valid is what that quorum has signed.
    """
    check_header(block.header, tip.header, tip.validators)
    check_certificate(block.certificate, block.header, tip.validators)
    if block.ids is not None:
        if len(block.ids) != block.header.transactions * ID_BYTES:
            raise InvalidBlockError("the number of transactions is wrong")
        if await merkle_root(block.ids) != block.header.root:
            raise InvalidBlockError("the Merkle root is wrong")
    return Tip(block.header, set_after(block, tip.validators))
