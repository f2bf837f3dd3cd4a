"""StreamGate's users against the embedded target: nothing fails, both sides count the same, and what breaks off is resumed."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from locust_swarm import Swarm, answered_by, counted
from processes import ROOT, Target

READS = {("GET", "/media/[id]"), ("GET", "/media/[id]/content")}
SIGN_IN = {("POST", "/auth/login")}
EVERYTHING = {
    "UploadUser": {
        ("POST", "/uploads/multipart"),
        ("POST", "/uploads"),
        ("HEAD", "/uploads/[id]"),
        ("PATCH", "/uploads/[id]"),
        ("GET", "/uploads/[id]"),
        ("DELETE", "/uploads/[id]"),
        ("GET", "/media/[id]/content"),
        ("DELETE", "/media/[id]"),
    },
    "StreamUser": {
        ("GET", "/media/[id]/playlist.m3u8"),
        ("GET", "/media/[id]/segments/[n]"),
        ("GET", "/media/[id]/content"),
    },
    "MetadataUser": {
        ("GET", "/media"),
        ("GET", "/media/[id]"),
        ("PATCH", "/media/[id]"),
        ("DELETE", "/media/[id]"),
        ("POST", "/uploads/multipart"),
    },
    "StreamAuthUser": {("GET", "/auth/me"), ("POST", "/auth/refresh"), ("POST", "/auth/logout")},
    "CacheUser": {*READS, ("GET", "/cache/statistics")},
}
# Breaks uploads off, sends the rest of each and reads it back. A server that sees a connection end together with the first of a
# body may have kept nothing of it, so there are several.
RESUME = """
import json, sys
import gevent
from locust.env import Environment
from worker.users.streamgate import base
from worker.users.streamgate.tus import HEADERS, TusUpload
from worker.users.streamgate.users import UploadUser

UploadUser.host, sent_bytes = sys.argv[1], int(sys.argv[2])
failures, resumed_at, equal = [], set(), True
environment = Environment(user_classes=[UploadUser])
environment.events.request.add_listener(lambda exception, **_: exception and failures.append(str(exception)))
user = UploadUser(environment)
user.sign_in()
# A server keeps nothing of a request whose connection has ended before it looks at the body: each try keeps it for longer.
read, tries, resumed = base._BrokenOff.read, 0, 0

def read_on(body, size=-1):
    if not body._left_bytes:
        gevent.sleep(tries / 50)
    return read(body, size)

base._BrokenOff.read = read_on
while tries < 50 and resumed < 5:
    tries += 1
    content = user.random.randbytes(50_000)
    upload = TusUpload(content, {"title": "a title"})
    user.ask("POST", "/uploads", "", upload.accept_creation, upload.creation_headers())
    headers, body = upload.next_chunk(40_000, checksum=False)
    user.break_off("PATCH", upload.path, "", headers, body, sent_bytes)
    upload.lose(sent_bytes)
    for _ in range(20):
        user.ask("HEAD", upload.path, "", upload.accept_offset, HEADERS)
        if upload.offset_bytes == sent_bytes:
            break
    resumed_at.add(upload.offset_bytes)
    resumed += upload.offset_bytes == sent_bytes
    while not upload.is_complete:
        if upload.offset_is_known:
            headers, body = upload.next_chunk(16_384)
            user.ask("PATCH", upload.path, "", lambda answer: upload.accept_chunk(answer, len(body)), headers, body)
        else:
            user.ask("HEAD", upload.path, "", upload.accept_offset, HEADERS)
    medium = user.ask("GET", upload.path, "", lambda answer: json.loads(answer.content)["media"])
    equal &= user.ask("GET", f"/media/{medium}/content", "", lambda answer: answer.content) == content
print(json.dumps({"resumed_at": sorted(resumed_at - {0}), "equal": equal, "failures": failures}))
"""


@pytest.mark.parametrize("user_class", EVERYTHING)
def test_a_user_does_everything_without_a_failure_and_both_sides_count_the_same(
    swarm: Swarm, database_options: list[str], user_class: str
) -> None:
    """Requests that were broken off on purpose have no answer, and are counted by neither side."""
    with Target(*database_options) as target:
        seen = swarm(target.url, 8, 4, [user_class])
        answered, counts = answered_by(target), target.counts()
    assert (seen["errors"], seen["raised"]) == ([], [])
    assert counted(seen) == answered
    assert (("PATCH", "/uploads/[id]", 499) in counts) == (user_class == "UploadUser")
    assert set(answered) == SIGN_IN | EVERYTHING[user_class]


def test_the_user_of_everything_mixes_all_of_it(swarm: Swarm) -> None:
    with Target() as target:
        seen = swarm(target.url, 16, 4, ["StreamGateUser"])
        assert (seen["errors"], seen["raised"]) == ([], [])
        answered = answered_by(target)
    assert counted(seen) == answered
    assert answered["GET", "/media/[id]"] > sum(answered.values()) / 2
    assert {("GET", "/media"), ("GET", "/media/[id]/playlist.m3u8"), ("POST", "/uploads/multipart")} <= set(answered)


@pytest.mark.parametrize("sent_bytes", [1, 30_000])
def test_an_upload_whose_connection_broke_off_goes_on_from_there(database_options: list[str], sent_bytes: int) -> None:
    """The target has what it was sent, and the medium is what was to be uploaded."""
    with Target(*database_options) as target:
        finished = subprocess.run(
            [sys.executable, "-c", RESUME, target.url, str(sent_bytes)],
            cwd=ROOT,
            env={**os.environ, "PISWARM_TARGET_PASSWORD": "piswarm"},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    assert json.loads(finished.stdout) == {"resumed_at": [sent_bytes], "equal": True, "failures": []}


def test_popular_media_are_answered_from_the_cache(swarm: Swarm) -> None:
    with Target() as target:
        swarm(target.url, 8, 4, ["CacheUser"])
        statistics = target.ask("GET", "/cache/statistics", token=target.sign_in("user0001")).json
    assert statistics["hit_share"] > 0.8
