"""StreamGate's users at a target that answers wrongly: each wrong answer is counted as a failure, and ends no user."""

from __future__ import annotations

from typing import Any

import pytest
from http_server import Server, reply
from locust.env import Environment

from worker.users.streamgate.popularity import SEEDED_MEDIA
from worker.users.streamgate.users import CacheUser, MetadataUser, StreamAuthUser, StreamUser, UploadUser

TOKEN = reply('{"token": "t", "expires_in_s": 3600, "role": "user", "refresh_token": "r"}')
ENDLESS = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nsegments/0\n"
LED_ELSEWHERE = f"{ENDLESS}#EXT-X-ENDLIST\n".replace("segments/0", "https://elsewhere.example/0")
OTHER = '{"id": "other", "title": "t", "tags": [], "size_bytes": 1}'


def failures_of(server: Server, user_class: Any, tasks: int) -> set[str]:
    """What the requests of so many tasks failed with, without the sign-ins."""
    kind = type(user_class.__name__, (user_class,), {"host": server.url})
    environment, failures = Environment(), set()

    def note(name: str, exception: Exception | None, **_: Any) -> None:
        if name != "/auth/login":
            failures.add(str(exception))

    environment.events.request.add_listener(note)
    server.on("/auth/login", TOKEN)
    user = kind(environment)
    user.on_start()
    for _ in range(tasks):
        user.act()
    return failures


def on_all_media(server: Server, path: str, answer: bytes) -> None:
    for number in range(1, SEEDED_MEDIA + 1):
        server.on(f"/media/media{number:04d}{path}", answer)


@pytest.mark.parametrize(
    ("playlist", "failure"),
    [
        (reply(ENDLESS), "playlist: EXT-X-ENDLIST is missing, though nothing more is to come (4.3.3.4)"),
        (reply(LED_ELSEWHERE), "playlist: a segment is not where segments are"),
        (reply("<html>"), "playlist: does not begin with EXTM3U (4.3.1.1)"),
        (reply("{}", status="503 Busy"), "status 503 instead of 200"),
    ],
)
def test_a_player_counts_a_wrong_playlist_as_a_failure_and_follows_it_nowhere(
    server: Server, playlist: bytes, failure: str
) -> None:
    on_all_media(server, "/playlist.m3u8", playlist)
    assert failures_of(server, StreamUser, 5) == {failure}
    assert {request.target.rpartition("/")[2] for request in server.requests} == {"login", "playlist.m3u8"}


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (reply(OTHER, "X-Cache: HIT"), "another medium than was asked for"),
        (reply('{"id": 1}'), "body is no MediumReply: Expected `str`, got `int` - at `$.id`"),
    ],
)
def test_a_reader_counts_wrong_metadata_as_a_failure(server: Server, answer: bytes, failure: str) -> None:
    on_all_media(server, "", answer)
    on_all_media(server, "/content", reply(status="404 Not Found"))
    server.on("/cache/statistics", reply('{"hits": 1, "misses": 3, "hit_share": 0.5}'))
    assert failures_of(server, CacheUser, 60) >= {failure, "status 404 instead of 206"}


@pytest.mark.parametrize(
    "answer", [reply(status="404 Not Found"), reply(b"\xff\0", "ETag: x", "Content-Range: bytes */-1")]
)
@pytest.mark.parametrize("user_class", [UploadUser, StreamUser, MetadataUser, StreamAuthUser, CacheUser])
def test_whatever_a_target_answers_ends_no_user(server: Server, user_class: Any, answer: bytes) -> None:
    """Each request of it is a failure."""
    fixed = (
        "/auth/me",
        "/auth/refresh",
        "/auth/logout",
        "/cache/statistics",
        "/media",
        "/uploads",
        "/uploads/multipart",
    )
    for path in fixed:
        server.on(path, answer)
    for below in ("", "/content", "/playlist.m3u8"):
        on_all_media(server, below, answer)
    failures = failures_of(server, user_class, 40)
    assert failures
    assert str(None) not in failures
