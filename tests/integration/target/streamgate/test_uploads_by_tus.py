"""Uploads by tus against the real process: in parts, resumed, with wrong offsets and checksums, by two at once, killed."""

from __future__ import annotations

import hashlib
import http.client
import random
import socket
import zlib
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from processes import Target
from tus_client import TusClient

CONTENT = random.Random(3).randbytes(700_000)


@pytest.fixture(scope="module")
def target(database_options: list[str]) -> Iterator[Target]:
    with Target(*database_options) as started:
        yield started


@pytest.fixture(scope="module")
def client(target: Target) -> TusClient:
    return TusClient(target)


def checksum(algorithm: str, content: bytes) -> str:
    digest = (
        zlib.crc32(content).to_bytes(4, "big") if algorithm == "crc32" else hashlib.new(algorithm, content).digest()
    )
    return f"{algorithm} {b64encode(digest).decode()}"


def test_what_of_tus_there_is_can_be_asked_by_anybody(target: Target) -> None:
    reply = target.ask("OPTIONS", "/uploads")
    assert (reply.status, reply.body) == (204, b"")
    assert reply.headers["tus-version"] == reply.headers["tus-resumable"] == "1.0.0"
    assert reply.headers["tus-extension"].split(",") == ["creation", "checksum", "expiration", "termination"]
    assert "sha1" in reply.headers["tus-checksum-algorithm"].split(",")
    assert int(reply.headers["tus-max-size"]) == 64 * 1024 * 1024


def test_an_upload_in_parts_becomes_a_medium(client: TusClient) -> None:
    """Title and tags are those of its metadata; the last answer names it."""
    path = client.create(len(CONTENT), title="Größte Reise", tags="travel,hd", filename="x.mp4")
    assert client.ask("GET", path).json["complete"] is False
    for start in range(0, len(CONTENT), 300_000):
        part = CONTENT[start : start + 300_000]
        reply = client.append(path, start, part)
        assert (reply.status, reply.headers["upload-offset"]) == (204, str(start + len(part)))
        assert reply.headers["tus-resumable"] == "1.0.0"
    assert "upload-expires" not in reply.headers
    info = client.ask("GET", path).json
    assert (info["complete"], info["sha256"]) == (True, hashlib.sha256(CONTENT).hexdigest())
    assert reply.headers["content-location"] == f"/media/{info['media']}"
    medium = client.ask("GET", reply.headers["content-location"]).json
    assert (medium["title"], medium["tags"], medium["owner"]) == ("Größte Reise", ["travel", "hd"], "user0001")
    assert (medium["size_bytes"], medium["segments"], medium["sha256"]) == (700_000, 3, info["sha256"])
    assert client.content(info["media"]).body == CONTENT
    assert [found["id"] for found in client.ask("GET", "/media?query=REISE&tag=hd").json["media"]] == [info["media"]]
    assert client.ask("HEAD", path).headers["upload-length"] == str(len(CONTENT))


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "crc32"])
def test_a_part_with_a_checksum_is_kept_whole_or_not_at_all(client: TusClient, algorithm: str) -> None:
    path = client.create(20)
    wrong = client.append(path, 0, b"0123456789", Upload_Checksum=checksum(algorithm, b"012345678X"))
    assert (wrong.status, wrong.json["error"]["code"]) == (460, "checksum_mismatch")
    assert wrong.headers["tus-resumable"] == "1.0.0"
    assert client.offset(path) == 0
    right = client.append(path, 0, b"0123456789", Upload_Checksum=checksum(algorithm, b"0123456789"))
    assert (right.status, client.offset(path)) == (204, 10)


@pytest.mark.parametrize("header", ["md5 AAAA", "sha256", "sha256 %%%", "nonsense", "sha256 AAAA"])
def test_what_is_no_checksum_is_refused(client: TusClient, header: str) -> None:
    path = client.create(20)
    assert client.append(path, 0, b"x", Upload_Checksum=header).status == (
        460 if header in {"sha256", "sha256 AAAA"} else 400
    )
    assert client.offset(path) == 0


def test_a_part_at_another_offset_is_refused_and_told_the_right_one(client: TusClient) -> None:
    path = client.create(20)
    assert client.append(path, 0, b"0123456789").status == 204
    for offset in (0, 9, 11, 20, 10**15):
        reply = client.append(path, offset, b"x")
        assert (reply.status, reply.json["error"]["message"]) == (409, "Upload-Offset must be 10")
    assert client.offset(path) == 10


def test_more_than_was_announced_is_refused_and_not_kept(client: TusClient) -> None:
    path = client.create(20)
    assert client.append(path, 0, bytes(21)).status == 413
    assert client.append(path, 0, bytes(21), Upload_Checksum=checksum("sha1", bytes(21))).status == 413
    assert client.offset(path) == 0
    assert client.append(path, 0, bytes(20)).status == 204
    assert client.append(path, 20, b"x").status == 409
    assert client.create(64 * 1024 * 1024)
    assert client.ask("POST", "/uploads", Upload_Length=str(64 * 1024 * 1024 + 1)).status == 413


def test_a_part_of_unknown_length_ends_where_the_upload_does(client: TusClient) -> None:
    """Sent in chunks, without Content-Length: what fits is kept in whole parts, the rest is refused."""
    path = client.create(20)

    def append(content: bytes) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", client.target.port, timeout=20)
        headers = {
            "Authorization": f"Bearer {client.token}",
            "Tus-Resumable": "1.0.0",
            "Upload-Offset": "0",
            "Content-Type": "application/offset+octet-stream",
        }
        connection.request("PATCH", path, iter([content]), headers, encode_chunked=True)
        status = connection.getresponse().status
        connection.close()
        return status

    assert append(bytes(21)) == 413
    assert client.offset(path) == 0
    assert append(bytes(20)) == 204


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 400),
        ({"Upload_Length": "-1"}, 400),
        ({"Upload_Length": "ten"}, 400),
        ({"Upload_Length": "9" * 5000}, 400),
        ({"Upload_Length": "1" * 20}, 413),
        ({"Upload_Length": "10", "Tus_Resumable": "0.2.2"}, 412),
        ({"Upload_Length": "10", "Upload_Metadata": "title !"}, 400),
        ({"Upload_Length": "10", "Upload_Metadata": "title eA==,title eA=="}, 400),
        ({"Upload_Length": "10", "Upload_Metadata": "title " + "A" * 5000}, 400),
        ({"Upload_Length": "10", "Upload_Metadata": "tags TmV3cw=="}, 422),
        ({"Upload_Length": "10", "Upload_Metadata": "title AA=="}, 422),
    ],
)
def test_an_upload_that_is_not_as_tus_has_it_is_not_begun(
    client: TusClient, headers: dict[str, str], status: int
) -> None:
    reply = client.ask("POST", "/uploads", **headers)
    assert reply.status == status, reply
    assert reply.headers["tus-resumable"] == "1.0.0"
    assert ("tus-version" in reply.headers) == (status == 412)


def test_tus_is_refused_in_another_version_and_without_one(client: TusClient) -> None:
    path = client.create(10)
    for method in ("HEAD", "PATCH", "DELETE"):
        headers = {"Content_Type": "application/offset+octet-stream", "Upload_Offset": "0"}
        assert client.ask(method, path, b"x", Tus_Resumable="2.0.0", **headers).status == 412
        assert (
            client.target.ask(method, path, b"x", client.token, **{"Content-Type": headers["Content_Type"]}).status
            == 400
        )
    assert client.ask("PATCH", path, b"x", Upload_Offset="0", Content_Type="application/json").status == 415
    assert client.ask("PATCH", path, b"x", Upload_Offset="0").status == 415
    assert client.offset(path) == 0


def test_an_upload_is_its_owners_and_an_administrators(target: Target, client: TusClient) -> None:
    """For all others it does not exist."""
    path = client.create(10)
    other, admin = TusClient(target, "user0002"), TusClient(target, "admin01")
    unknown = other.ask("GET", "/uploads/0123456789abcdef")
    assert (unknown.status, other.ask("GET", path).body) == (404, unknown.body)
    assert (
        other.append(path, 0, b"x").status == other.ask("DELETE", path).status == other.ask("HEAD", path).status == 404
    )
    assert admin.append(path, 0, b"x").status == 204
    assert admin.ask("DELETE", path).status == 204
    assert client.ask("GET", path).status == 404
    assert (
        target.ask(
            "POST", "/uploads", b"", target.sign_in("node0001"), **{"Tus-Resumable": "1.0.0", "Upload-Length": "1"}
        ).status
        == 403
    )


def test_an_upload_that_was_ended_is_gone_and_a_whole_one_is_a_medium(client: TusClient) -> None:
    path = client.create(10)
    client.append(path, 0, b"01234")
    assert client.ask("DELETE", path).status == 204
    assert (
        client.append(path, 5, b"56789").status
        == client.ask("HEAD", path).status
        == client.ask("DELETE", path).status
        == 404
    )
    whole = client.create(3)
    client.append(whole, 0, b"abc")
    assert client.ask("DELETE", whole).status == 409
    assert client.ask("DELETE", whole.replace("/uploads", "/media")).status == 204
    assert client.ask("HEAD", whole).status == 404


def test_an_upload_of_nothing_is_whole(client: TusClient) -> None:
    path = client.create(0, title="Nothing at all")
    info = client.ask("GET", path).json
    assert (info["complete"], info["offset_bytes"], info["length_bytes"]) == (True, 0, 0)
    reply = client.content(info["media"])
    assert (reply.status, reply.body) == (200, b"")
    assert client.content(info["media"], Range="bytes=0-").status == 416
    assert "EXTINF" not in client.ask("GET", f"/media/{info['media']}/playlist.m3u8").body.decode()


def test_what_came_before_a_client_hung_up_is_kept(client: TusClient) -> None:
    """So that it goes on from there, and the whole is what was sent."""
    path = client.create(len(CONTENT))
    client.break_off(path, 0, len(CONTENT), CONTENT[:400_001])
    client.wait_for_offset(path, 400_001)
    assert client.append(path, 400_001, CONTENT[400_001:]).status == 204
    assert client.content(client.ask("GET", path).json["media"]).body == CONTENT


def test_of_many_writers_at_once_one_wins_each_time(client: TusClient) -> None:
    """Each sends its own letter; what is kept are whole parts of the winners, one after the other."""
    part_bytes, parts, writers = 40_000, 6, 4
    path = client.create(parts * part_bytes)
    written = []
    with ThreadPoolExecutor(writers) as pool:
        for number in range(parts):
            offset = number * part_bytes
            waiting = [pool.submit(client.append, path, offset, bytes([letter]) * part_bytes) for letter in b"abcd"]
            statuses = [future.result().status for future in waiting]
            assert sorted(statuses) == [204, 409, 409, 409]
            written.append(b"abcd"[statuses.index(204)])
    content = client.content(client.ask("GET", path).json["media"]).body
    assert content == b"".join(bytes([letter]) * part_bytes for letter in written)


def test_an_upload_in_crumbs_comes_to_an_end() -> None:
    """Of rows of a byte each there are not so many that reading a segment would hold up all others."""
    with Target() as target, socket.create_connection(("127.0.0.1", target.port), timeout=20) as connection:
        client = TusClient(target)
        path = client.create(5000)
        statuses = []
        with connection.makefile("rb") as answers:
            for offset in range(4097):
                connection.sendall(client.request(path, offset, 1) + b"x")
                statuses.append(int(answers.readline().split()[1]))
                while answers.readline() != b"\r\n":
                    pass
    assert statuses == [204] * 4096 + [409]


def test_an_upload_survives_kill_9(database: str) -> None:
    """What was acknowledged is there when another process takes the database up, and the whole has the right digest."""
    with Target(f"--database={database}") as target:
        client = TusClient(target)
        path = client.create(len(CONTENT), title="Survivor")
        assert client.append(path, 0, CONTENT[:250_000]).status == 204
        assert client.append(path, 250_000, CONTENT[250_000:250_001]).status == 204
        target.kill()
    with Target(f"--database={database}") as target:
        client = TusClient(target)
        assert client.offset(path) == 250_001
        assert client.append(path, 250_001, CONTENT[250_001:]).status == 204
        target.kill()
    with Target(f"--database={database}") as target:
        client = TusClient(target)
        info = client.ask("GET", path).json
        assert info["sha256"] == hashlib.sha256(CONTENT).hexdigest()
        assert client.content(info["media"]).body == CONTENT
        assert len(client.ask("GET", "/media?query=survivor").json["media"]) == 1
        assert client.target.ask("GET", "/admin/statistics", token=target.sign_in("admin01")).json["media"] == {
            "media": 201,
            "incomplete": 0,
            "kept_bytes": len(CONTENT),
            "uploads_total": 0,
            "uploaded_bytes_total": 0,
        }


def test_a_target_that_is_killed_in_the_middle_of_a_part_has_what_it_says(database: str) -> None:
    """Its offset may be anything that was sent; up to there nothing is missing."""
    with Target(f"--database={database}") as target:
        client = TusClient(target)
        path = client.create(len(CONTENT))
        client.break_off(path, 0, len(CONTENT), CONTENT[:600_000])
        target.kill()
    with Target(f"--database={database}") as target:
        client = TusClient(target)
        offset = client.offset(path)
        assert 0 <= offset <= 600_000
        assert client.append(path, offset, CONTENT[offset:]).status == 204
        assert client.ask("GET", path).json["sha256"] == hashlib.sha256(CONTENT).hexdigest()
