"""Content against the real process: whole, in ranges, as a playlist of segments, and by hostile headers."""

from __future__ import annotations

import hashlib
import socket
from base64 import b64encode
from collections.abc import Iterator

import pytest
from processes import Target
from tus_client import TusClient

SEGMENT = 256 * 1024
BLOCK = hashlib.shake_256(b"piswarm").digest(1_048_573)


@pytest.fixture(scope="module")
def target(database_options: list[str]) -> Iterator[Target]:
    with Target(*database_options) as started:
        yield started


@pytest.fixture(scope="module")
def client(target: Target) -> TusClient:
    return TusClient(target)


@pytest.fixture(scope="module")
def whole(client: TusClient) -> bytes:
    """The content of media0005, by the rule that the documentation states."""
    size_bytes = client.ask("GET", "/media/media0005").json["size_bytes"]
    start = 65_537 * 5 % len(BLOCK)
    return (BLOCK * 6)[start : start + size_bytes]


CONTENT = "/media/media0005/content"


def test_the_whole_content_is_what_the_rule_says(client: TusClient, whole: bytes) -> None:
    reply = client.ask("GET", CONTENT)
    assert reply.status == 200
    assert reply.body == whole
    assert reply.headers["accept-ranges"] == "bytes"
    assert reply.headers["cache-control"] == "private, max-age=31536000, immutable"


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-16483", 100, 16_484),
        (f"bytes={SEGMENT - 3}-{SEGMENT + 2}", SEGMENT - 3, SEGMENT + 3),
        (f"bytes=5-{3 * SEGMENT}", 5, 3 * SEGMENT + 1),
        ("bytes=-10", -10, None),
        ("bytes=1000000-", 1_000_000, None),
        ("bytes=1000000-99999999999999999999", 1_000_000, None),
    ],
)
def test_a_range_is_answered_with_its_bytes(
    client: TusClient, whole: bytes, header: str, start: int, end: int | None
) -> None:
    reply = client.ask("GET", CONTENT, Range=header)
    expected = whole[start:end]
    first = start % len(whole)
    assert (reply.status, reply.body) == (206, expected)
    assert reply.headers["content-range"] == f"bytes {first}-{first + len(expected) - 1}/{len(whole)}"


@pytest.mark.parametrize("header", ["bytes=99999999-", "bytes=-0", "bytes=99999999999999999999999-"])
def test_a_range_beyond_the_content_is_unsatisfiable(client: TusClient, whole: bytes, header: str) -> None:
    reply = client.ask("GET", CONTENT, Range=header)
    assert (reply.status, reply.headers["content-range"]) == (416, f"bytes */{len(whole)}")
    assert reply.json["error"]["code"] == "range_not_satisfiable"


@pytest.mark.parametrize(
    "header", ["bytes=0-1,5-6", "bytes=5-1", "items=0-1", "bytes=", "nonsense", "bytes=" + "0-,1-," * 5000, "bytes=a-b"]
)
def test_what_is_no_single_range_is_answered_with_the_whole(client: TusClient, whole: bytes, header: str) -> None:
    """It is at most as long as the content, whatever is asked for."""
    reply = client.ask("GET", CONTENT, Range=header)
    assert (reply.status, len(reply.body)) == (200, len(whole))


def test_a_download_is_resumed_if_the_content_is_the_same(client: TusClient, whole: bytes) -> None:
    first = client.ask("GET", CONTENT, Range="bytes=0-99")
    for validator in (first.headers["etag"], first.headers["last-modified"]):
        rest = client.ask("GET", CONTENT, Range="bytes=100-", If_Range=validator)
        assert (rest.status, first.body + rest.body) == (206, whole)
    for validator in ('"other"', "W/" + first.headers["etag"], "Thu, 01 Jan 1970 00:00:00 GMT"):
        assert client.ask("GET", CONTENT, Range="bytes=100-", If_Range=validator).status == 200
    assert client.ask("GET", CONTENT, Range="bytes=100-", If_None_Match=first.headers["etag"]).status == 304


def test_head_tells_the_length_and_ignores_ranges(client: TusClient, whole: bytes) -> None:
    reply = client.ask("HEAD", CONTENT, Range="bytes=0-0")
    assert (reply.status, reply.headers["content-length"], reply.body) == (200, str(len(whole)), b"")


def test_a_player_that_follows_the_playlist_has_the_whole(client: TusClient, whole: bytes) -> None:
    reply = client.ask("GET", "/media/media0005/playlist.m3u8")
    assert reply.headers["content-type"] == "application/vnd.apple.mpegurl"
    lines = reply.body.decode().splitlines()
    assert (lines[0], lines[-1]) == ("#EXTM3U", "#EXT-X-ENDLIST")
    target_s = int(next(line for line in lines if line.startswith("#EXT-X-TARGETDURATION:")).partition(":")[2])
    durations_s = [float(line[8:-1]) for line in lines if line.startswith("#EXTINF:")]
    assert max(durations_s) <= target_s
    assert sum(durations_s) == pytest.approx(client.ask("GET", "/media/media0005").json["duration_s"], abs=1e-3)
    segments = []
    for name in (line for line in lines if not line.startswith("#")):
        segment = client.ask("GET", f"/media/media0005/{name}")
        digest = b64encode(hashlib.sha256(segment.body).digest()).decode()
        assert segment.headers["content-digest"] == f"sha-256=:{digest}:"
        segments.append(segment.body)
    assert b"".join(segments) == whole


def test_segments_are_cached_and_never_change(client: TusClient) -> None:
    replies = [client.ask("GET", "/media/media0006/segments/1") for _ in range(2)]
    assert [reply.headers["x-cache"] for reply in replies] == ["MISS", "HIT"]
    assert (
        client.ask("GET", "/media/media0006/content", Range=f"bytes={SEGMENT}-{SEGMENT + 9}").headers["x-cache"]
        == "HIT"
    )
    assert replies[0].headers["cache-control"] == "private, max-age=31536000, immutable"
    assert client.ask("GET", "/media/media0006/segments/1", If_None_Match=replies[0].headers["etag"]).status == 304
    assert client.ask("GET", "/media/media0006/playlist.m3u8", If_None_Match="*").status == 304


@pytest.mark.parametrize("number", ["99", "-1", "x", "1.0", "00000000000", "9" * 30, "%D9%A1", "1%00", "0/"])
def test_a_segment_that_is_not_there_is_not_found(client: TusClient, number: str) -> None:
    assert client.ask("GET", f"/media/media0005/segments/{number}").status == 404


def test_a_client_that_hangs_up_in_the_middle_of_the_content_does_no_harm(client: TusClient, whole: bytes) -> None:
    head = f"GET {CONTENT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.token}\r\n\r\n"
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", client.target.port), timeout=20) as connection:
            connection.sendall(head.encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
    assert client.ask("GET", CONTENT).body == whole
    assert not [key for key in client.target.counts() if key[2] >= 500]


def test_the_cache_of_segments_has_its_bound(own_database_options: list[str]) -> None:
    """With a mebibyte there is room for three segments; others make way, and each is still what it was."""
    with Target("--cache-size=1", *own_database_options) as target:
        client = TusClient(target)
        for number in (0, 1, 2, 3, 0):
            reply = client.ask("GET", f"/media/media0001/segments/{number}")
            assert reply.headers["x-cache"] == "MISS"
            start = (65_537 + number * SEGMENT) % len(BLOCK)
            assert reply.body == (BLOCK * 2)[start : start + SEGMENT]
        part = client.ask("GET", "/cache/statistics").json["caches"]["segments"]
        assert (part["entries"], part["evictions"]) == (3, 2)
        assert part["bytes"] <= 1024 * 1024
