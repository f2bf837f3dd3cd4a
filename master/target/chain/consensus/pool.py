"""The transactions that one validator knows of and that are in no block yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import islice

from master.target.chain.ledger.transactions import Change, change_of, decode, transaction_id

MAX_PENDING = 50_000
"""Five full blocks."""
RECENT_BLOCKS = 16
"""Blocks whose transactions are refused if they come again.

The gateway hands out only what is pending in its database: a final transaction can only be one that was under way while
its block became final, and that was a few messages ago.
"""


class Pool:
    """Pending transactions in the order in which they came: by id, what each changes in the set of validators.

    Their bodies are the gateway's to keep: a block names ids.
    """

    def __init__(self, max_pending: int = MAX_PENDING) -> None:
        self._max_pending = max_pending
        self._pending: dict[bytes, Change | None] = {}
        self._recent: deque[set[bytes]] = deque(maxlen=RECENT_BLOCKS)

    def __len__(self) -> int:
        return len(self._pending)

    def __contains__(self, identity: object) -> bool:
        return identity in self._pending

    def add(self, canonical: bytes) -> bool:
        """Take up a transaction; whether it is new, and there is room. Raises InvalidTransactionError."""
        identity = transaction_id(canonical)
        if identity in self._pending or any(identity in block for block in self._recent):
            return False
        change = change_of(decode(canonical))
        if len(self._pending) >= self._max_pending:
            return False
        self._pending[identity] = change
        return True

    def oldest(self, limit: int) -> list[bytes]:
        """The ids that have waited longest."""
        return list(islice(self._pending, limit))

    def changes(self, ids: Iterable[bytes]) -> list[Change]:
        """What these pending transactions change in the set of validators."""
        changes = (self._pending[identity] for identity in ids)
        return [change for change in changes if change is not None]

    def drop(self, ids: Iterable[bytes]) -> None:
        """These are in a block."""
        for identity in ids:
            self._pending.pop(identity, None)

    def remember(self, block: set[bytes]) -> None:
        """Refuse the transactions of this block, should they come again."""
        self._recent.append(block)
