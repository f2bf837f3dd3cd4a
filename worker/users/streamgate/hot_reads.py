"""Reading what everybody reads: the metadata of popular media, which a cache is to answer."""

from __future__ import annotations

import msgspec

from worker.users.streamgate import replies
from worker.users.streamgate.answer import Answer, WrongReplyError
from worker.users.streamgate.base import StreamGateClient
from worker.users.streamgate.content import PIECE_BYTES, check_range, range_header, seen_content
from worker.users.streamgate.popularity import pick_medium

_IN_CACHE = frozenset({"HIT", "MISS"})


class HotReads:
    """Reads the metadata of popular media, and now and then a piece of one's content, or how the cache fares."""

    def __init__(self, user: StreamGateClient) -> None:
        self._user = user
        self._seen = seen_content(user.host or "")

    def step(self) -> None:
        """One read."""
        drawn = self._user.random.random()
        if drawn < 0.94:
            read_medium(self._user, pick_medium(self._user.random))
        elif drawn < 0.99:
            self._read_piece(pick_medium(self._user.random))
        else:
            self._user.ask("GET", "/cache/statistics", "/cache/statistics", _check_statistics)

    def _read_piece(self, medium: str) -> None:
        first_byte = PIECE_BYTES * self._user.random.randrange(4)
        self._user.ask(
            "GET",
            f"/media/{medium}/content",
            "/media/[id]/content",
            lambda answer: check_range(answer, medium, first_byte, self._seen),
            range_header(first_byte),
        )


class CacheStatisticsReply(msgspec.Struct):
    """GET /cache/statistics: counts since the target's start."""

    hits: int
    misses: int
    hit_share: float | None


def read_medium(user: StreamGateClient, medium: str) -> replies.MediumReply | None:
    """GET /media/[id] of a seeded medium, which must say whether the cache had it."""

    def check(answer: Answer) -> replies.MediumReply:
        found = answer.decoded(replies.MediumReply, 200)
        if found.id != medium:
            raise WrongReplyError("another medium than was asked for")
        if answer.header("X-Cache") not in _IN_CACHE:
            raise WrongReplyError("X-Cache is missing or neither HIT nor MISS")
        return found

    return user.ask("GET", f"/media/{medium}", "/media/[id]", check)


def _check_statistics(answer: Answer) -> None:
    found = answer.decoded(CacheStatisticsReply, 200)
    reads = found.hits + found.misses
    if reads and (found.hit_share is None or abs(found.hit_share - found.hits / reads) > 0.001):
        raise WrongReplyError("the cache's hit_share is not that of its hits and misses")
