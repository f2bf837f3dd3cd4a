"""Checks of a medium's content, read by ranges (RFC 9110 14) and by segments: what is read twice must be equal."""

from __future__ import annotations

import re
from base64 import b64encode
from collections import OrderedDict
from functools import lru_cache
from hashlib import sha256
from zlib import crc32

from worker.users.streamgate.answer import Answer, WrongReplyError

PIECE_BYTES = 16 * 1024
"""What is read by one range, which begins at a multiple of it."""
SEGMENT_BYTES = 256 * 1024
"""The target's segments; the last one of a medium may be shorter."""

_is_content_range = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})").fullmatch
_is_unsatisfied = re.compile(r"bytes \*/([0-9]{1,18})").fullmatch


class SeenContent:
    """Checksums of the pieces of media that were read last; content never changes under one id."""

    def __init__(self, most_pieces: int = 4096) -> None:
        self._most = most_pieces
        self._checksums: OrderedDict[tuple[str, int], int] = OrderedDict()

    def compare(self, medium: str, first_byte: int, content: bytes) -> None:
        """Compare `content`, which begins at a piece, with what was read of `medium` before. Raises WrongReplyError."""
        known = self._checksums
        view = memoryview(content)
        for start in range(0, len(content), PIECE_BYTES):
            key = (medium, (first_byte + start) // PIECE_BYTES)
            checksum = crc32(view[start : start + PIECE_BYTES])
            if known.setdefault(key, checksum) != checksum:
                raise WrongReplyError("content is not what was read before")
            known.move_to_end(key)
        while len(known) > self._most:
            known.popitem(last=False)


@lru_cache(maxsize=4)
def seen_content(host: str) -> SeenContent:  # noqa: ARG001  # one for each
    """What all users of this process have read of the target `host`."""
    return SeenContent()


def range_header(first_byte: int) -> dict[str, str]:
    """The header field that asks for the piece that begins at `first_byte`."""
    return {"Range": f"bytes={first_byte}-{first_byte + PIECE_BYTES - 1}"}


def check_range(answer: Answer, medium: str, first_byte: int, seen: SeenContent) -> int:
    """Check the answer to a piece that was asked for; returns the length of the whole content. Raises WrongReplyError."""
    answer.require_status(206)
    found = _is_content_range(answer.header("Content-Range") or "")
    if found is None:
        raise WrongReplyError("Content-Range is missing or malformed")
    first, last, total = map(int, found.groups())
    if first != first_byte or last != min(first_byte + PIECE_BYTES, total) - 1:
        raise WrongReplyError("Content-Range is another than was asked for")
    if len(answer.content) != last - first + 1:
        raise WrongReplyError("the body is not as long as Content-Range says")
    seen.compare(medium, first_byte, answer.content)
    return total


def check_beyond_end(answer: Answer) -> int:
    """Check the answer to a range behind the end; returns the length of the whole content. Raises WrongReplyError."""
    answer.require_status(416)
    found = _is_unsatisfied(answer.header("Content-Range") or "")
    if found is None:
        raise WrongReplyError("Content-Range does not tell the length (RFC 9110 15.5.17)")
    return int(found[1])


def check_segment(answer: Answer, medium: str, number: int, *, is_last: bool, seen: SeenContent) -> None:
    """Check a whole segment: its length, its digest (RFC 9530), and what was read of it before. Raises WrongReplyError."""
    answer.require_status(200)
    size = len(answer.content)
    if size != SEGMENT_BYTES and not (is_last and 0 < size < SEGMENT_BYTES):
        raise WrongReplyError("the segment has another length than segments have")
    digest = b64encode(sha256(answer.content).digest()).decode()
    answer.require_header("Content-Digest", f"sha-256=:{digest}:")
    seen.compare(medium, number * SEGMENT_BYTES, answer.content)
