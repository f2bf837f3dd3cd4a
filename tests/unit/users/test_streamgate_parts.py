"""What StreamGate's users have beside playlists and tus: checks of content, popularity, sample files, answers."""

from __future__ import annotations

import subprocess
import sys
from base64 import b64encode
from collections import Counter
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest

import worker.users
from worker.users.streamgate import content
from worker.users.streamgate.answer import Answer, WrongReplyError
from worker.users.streamgate.content import (
    PIECE_BYTES,
    SEGMENT_BYTES,
    SeenContent,
    check_beyond_end,
    check_range,
    check_segment,
)
from worker.users.streamgate.popularity import SEEDED_MEDIA, pick_medium, pick_rank
from worker.users.streamgate.replies import MediumReply
from worker.users.streamgate.sample_files import make_file, make_title

MEDIUM = Random(1).randbytes(SEGMENT_BYTES + 20_000)


def answer(status: int, body: bytes, **fields: str) -> Answer:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return Answer(status, f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode(), body)


def piece(first: int, body: bytes | None = None, said: str | None = None, status: int = 206) -> Answer:
    """The answer to a range of MEDIUM, or a wrong one."""
    right = MEDIUM[first : first + PIECE_BYTES]
    return answer(
        status,
        right if body is None else body,
        Content_Range=said or f"bytes {first}-{first + len(right) - 1}/{len(MEDIUM)}",
    )


def segment(body: bytes, digested: bytes | None = None) -> Answer:
    digest = b64encode(sha256(body if digested is None else digested).digest()).decode()
    return answer(200, body, Content_Digest=f"sha-256=:{digest}:")


def test_the_parts_tested_here_do_not_import_locust() -> None:
    """Locust replaces half of the standard library."""
    parts = ("answer", "content", "playlist", "popularity", "replies", "sample_files", "tus")
    modules = ", ".join(f"worker.users.streamgate.{part}" for part in parts)
    root = Path(worker.users.__file__).parents[2]
    code = f"import sys, {modules}; print('gevent' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"


def test_header_fields_are_found_whatever_their_case_and_only_by_their_whole_name() -> None:
    found = Answer(200, b'HTTP/1.1 200 OK\r\nX-ETag: a\r\netag:  "b" \r\nETag: c\r\n\r\n', b"ETag: d")
    assert found.header("ETag") == '"b"'
    assert found.header("Tag") is None


@pytest.mark.parametrize("tag", ['"a"', 'W/"a"', '""'])
def test_an_entity_tag_is_taken(tag: str) -> None:
    assert answer(200, b"", ETag=tag).entity_tag() == tag


@pytest.mark.parametrize("tag", ["a", '"a', '"a"b"', '"a\0"', 'w/"a"', f'"{"a" * 300}"'])
def test_what_is_no_entity_tag_is_refused(tag: str) -> None:
    """It would be sent back as a header."""
    with pytest.raises(WrongReplyError, match="ETag is missing or malformed"):
        answer(200, b"", ETag=tag).entity_tag()


def test_a_range_is_checked_and_tells_how_long_the_content_is() -> None:
    seen = SeenContent()
    last = len(MEDIUM) // PIECE_BYTES * PIECE_BYTES
    assert check_range(piece(0), "m", 0, seen) == check_range(piece(last), "m", last, seen) == len(MEDIUM)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (piece(0, status=200), "status 200 instead of 206"),
        (answer(206, MEDIUM[:PIECE_BYTES]), "Content-Range is missing"),
        (piece(0, said="bytes 0-16383/*"), "Content-Range is missing or malformed"),
        (piece(PIECE_BYTES), "another than was asked for"),
        (piece(0, said=f"bytes 0-100/{len(MEDIUM)}"), "another than was asked for"),
        (piece(0, body=MEDIUM[:100]), "not as long as Content-Range says"),
    ],
)
def test_a_wrong_range_is_refused(wrong: Answer, message: str) -> None:
    with pytest.raises(WrongReplyError, match=message):
        check_range(wrong, "m", 0, SeenContent())


def test_ranges_and_segments_that_contradict_each_other_are_refused() -> None:
    """Whichever is read first, in the first segment and in the last."""
    damaged = bytearray(MEDIUM)
    damaged[3 * PIECE_BYTES] ^= 1
    seen = SeenContent()
    check_range(piece(3 * PIECE_BYTES), "m", 3 * PIECE_BYTES, seen)
    check_segment(segment(MEDIUM[:SEGMENT_BYTES]), "m", 0, is_last=False, seen=seen)
    check_segment(segment(MEDIUM[SEGMENT_BYTES:]), "m", 1, is_last=True, seen=seen)
    with pytest.raises(WrongReplyError, match="not what was read before"):
        check_segment(segment(bytes(damaged[:SEGMENT_BYTES])), "m", 0, is_last=False, seen=seen)
    with pytest.raises(WrongReplyError, match="not what was read before"):
        check_range(piece(SEGMENT_BYTES, body=MEDIUM[:PIECE_BYTES]), "m", SEGMENT_BYTES, seen)
    check_range(piece(SEGMENT_BYTES, body=MEDIUM[:PIECE_BYTES]), "another", SEGMENT_BYTES, seen)


@pytest.mark.parametrize(
    ("wrong", "is_last", "message"),
    [
        (segment(MEDIUM[:1000]), False, "another length"),
        (segment(MEDIUM), True, "another length"),
        (segment(b""), True, "another length"),
        (segment(MEDIUM[:SEGMENT_BYTES], digested=b"x"), False, "Content-Digest is missing or contradicts"),
        (answer(200, MEDIUM[:SEGMENT_BYTES]), False, "Content-Digest is missing"),
    ],
)
def test_a_wrong_segment_is_refused(wrong: Answer, is_last: bool, message: str) -> None:
    with pytest.raises(WrongReplyError, match=message):
        check_segment(wrong, "m", 0, is_last=is_last, seen=SeenContent())


def test_only_so_many_checksums_are_kept() -> None:
    """The oldest go, and a piece that has gone is taken as new."""
    seen = SeenContent(most_pieces=2)
    for name in ("a", "b", "c"):
        seen.compare(name, 0, b"first")
    seen.compare("a", 0, b"second")
    with pytest.raises(WrongReplyError):
        seen.compare("c", 0, b"second")


def test_users_of_one_process_share_what_they_have_seen_of_a_target() -> None:
    assert content.seen_content("http://one") is content.seen_content("http://one")
    assert content.seen_content("http://one") is not content.seen_content("http://other")


def test_a_range_behind_the_end_tells_the_length() -> None:
    assert check_beyond_end(answer(416, b"", Content_Range="bytes */77")) == 77
    with pytest.raises(WrongReplyError, match="does not tell the length"):
        check_beyond_end(answer(416, b""))


def test_media_are_drawn_by_zipfs_law() -> None:
    """Each of 5 standard deviations about what the law says, over a fixed seed."""
    random, draws = Random(3), 100_000
    counts = Counter(pick_rank(random, 200) for _ in range(draws))
    harmonic = sum(1 / rank for rank in range(1, 201))
    for rank in range(200):
        expected = draws / (rank + 1) / harmonic
        assert abs(counts[rank] - expected) < 5 * expected**0.5
    assert set(counts) == set(range(200))


def test_the_last_rank_is_drawn_even_by_the_largest_random_number() -> None:
    class Largest(Random):
        def random(self) -> float:
            return 1 - 2**-53

    assert pick_rank(Largest(), 200) == 199
    assert pick_medium(Largest()) == f"media{SEEDED_MEDIA:04d}" == "media0200"


def test_sample_files_are_within_their_bounds_and_no_two_are_alike() -> None:
    random = Random(5)
    made = [make_file(random, 1000, 1200) for _ in range(200)]
    assert {len(each) for each in made} <= set(range(1000, 1201))
    assert len({sha256(each).digest() for each in made}) == len({make_title(random) for _ in range(200)}) == 200


def test_sample_files_repeat_with_the_seed() -> None:
    assert make_file(Random(9), 100, 90_000) == make_file(Random(9), 100, 90_000)


def test_a_medium_has_the_words_of_its_title_and_tags() -> None:
    medium = MediumReply("m", "Winter Harbour a1", ["Sea", "night"], 1)
    assert medium.has_words("")
    assert medium.has_words("harbour SEA")
    assert not medium.has_words("harbour sun")
