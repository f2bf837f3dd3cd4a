"""The network between validators and gateway: bounded inboxes of bytes, and nothing else.

As on a real network a message may be lost: what comes to a full inbox is dropped. Whoever needs it asks, or is told again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import NamedTuple

INBOX_MESSAGES = 1024
"""Some seconds of a thousand transactions a second, and all votes of many rounds."""


class _Member(NamedTuple):
    public_key: bytes
    inbox: asyncio.Queue[bytes]


class Network:
    """Members by name, each with the key by which the others know it."""

    def __init__(self, inbox_messages: int = INBOX_MESSAGES) -> None:
        self._inbox_messages = inbox_messages
        self._members: dict[str, _Member] = {}
        self.dropped: Counter[str] = Counter()
        """Messages lost, by the member whose inbox was full."""

    def join(self, name: str, public_key: bytes) -> asyncio.Queue[bytes]:
        """Become a member, or another time; the inbox."""
        inbox: asyncio.Queue[bytes] = asyncio.Queue(self._inbox_messages)
        self._members[name] = _Member(public_key, inbox)
        return inbox

    def leave(self, name: str) -> None:
        """Be a member no longer."""
        self._members.pop(name, None)

    def public_key(self, name: str) -> bytes | None:
        """The key of a member."""
        member = self._members.get(name)
        return None if member is None else member.public_key

    def members(self) -> list[str]:
        """Everybody's names."""
        return list(self._members)

    def send(self, receiver: str, raw: bytes) -> None:
        """Put a message into the inbox of a member, if there is such a one, and room."""
        member = self._members.get(receiver)
        if member is not None:
            try:
                member.inbox.put_nowait(raw)
            except asyncio.QueueFull:
                self.dropped[receiver] += 1

    def broadcast(self, sender: str, raw: bytes) -> None:
        """Send to all but oneself."""
        for name in self.members():
            if name != sender:
                self.send(name, raw)
