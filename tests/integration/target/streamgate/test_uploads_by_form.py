"""Uploads by a form against the real process: whole, cut off, too long, and forged."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator

import pytest
from processes import Reply, Target

BOUNDARY = "frontier"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"
CONTENT = bytes(range(256)) * 64


@pytest.fixture(scope="module")
def target(database_options: list[str]) -> Iterator[Target]:
    with Target(*database_options) as started:
        yield started


def form(*parts: tuple[str, bytes], end: bytes = b"--frontier--\r\n") -> bytes:
    """Parts by name, of which `file` has a file's name."""
    made = []
    for name, value in parts:
        filename = '; filename="clip.bin"' if name == "file" else ""
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{filename}\r\n\r\n'
        made.append(head.encode() + value + b"\r\n")
    return b"".join(made) + end


def upload(target: Target, token: str, body: bytes, content_type: str = TYPE) -> Reply:
    return target.ask("POST", "/uploads/multipart", body, token, **{"Content-Type": content_type})


def test_a_file_becomes_a_medium(target: Target, user: str) -> None:
    reply = upload(target, user, form(("title", b"My clip"), ("tags", b"news,hd"), ("file", CONTENT)))
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert (reply.status, reply.json["size_bytes"], reply.json["sha256"]) == (201, len(CONTENT), digest)
    medium = target.ask("GET", f"/media/{reply.json['media']}", token=user).json
    assert (medium["title"], medium["tags"], medium["owner"]) == ("My clip", ["news", "hd"], "user0001")
    assert target.ask("GET", f"/media/{reply.json['media']}/content", token=user).body == CONTENT
    assert target.ask("GET", f"/uploads/{reply.json['media']}", token=user).json["complete"] is True


def test_a_file_without_a_title_is_called_by_its_name(target: Target, user: str) -> None:
    """And an empty one is one."""
    made = upload(target, user, form(("file", b""))).json
    medium = target.ask("GET", f"/media/{made['media']}", token=user).json
    assert (medium["title"], medium["size_bytes"], medium["segments"]) == ("clip.bin", 0, 0)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (form(("file", CONTENT), end=b""), 400),
        (form(("file", CONTENT))[:-6], 400),
        (form(("file", CONTENT))[:200], 400),
        (form(("title", b"no file")), 400),
        (form(("file", b"a"), ("file", b"b")), 400),
        (form(("file", b"a"), ("owner", b"admin01")), 400),
        (form(("file", b"a"), ("title", b"\xff\xfe")), 400),
        (form(("file", b"a"), ("title", b"x" * 129)), 422),
        (form(("file", b"a"), ("title", b"a\0b")), 422),
        (form(("file", b"a"), ("tags", b"NEWS")), 422),
        (form(("file", b"a"), ("tags", b"'; DROP TABLE media; --")), 422),
        (form(("file", bytes(8 * 1024 * 1024 + 1))), 413),
        (form(("file", bytes(9 * 1024 * 1024))), 413),
        (b"", 400),
        (b"\0" * 1000, 400),
        (b"--frontier\r\n" + b"X: y\r\n" * 1000 + b"\r\n", 400),
        (b"--frontier\r\nX: " + b"y" * 1_000_000, 400),
    ],
)
def test_what_is_no_form_with_a_file_is_refused_and_not_kept(
    target: Target, user: str, body: bytes, status: int
) -> None:
    before = target.ask("GET", "/metrics").body.decode().split("target_media_uploads_total ")[1].split("\n")[0]
    reply = upload(target, user, body)
    assert (reply.status, set(reply.json)) == (status, {"error"}), reply
    after = target.ask("GET", "/metrics").body.decode().split("target_media_uploads_total ")[1].split("\n")[0]
    assert after == before


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=" + "x" * 1000, 400),
        ("multipart/mixed; boundary=frontier", 415),
        ("application/json", 415),
        ("application/x-www-form-urlencoded", 415),
    ],
)
def test_another_content_type_is_refused(target: Target, user: str, content_type: str, status: int) -> None:
    assert upload(target, user, form(("file", b"x")), content_type).status == status


def test_a_client_that_hangs_up_in_the_middle_leaves_nothing(target: Target, user: str, admin: str) -> None:
    before = target.ask("GET", "/admin/statistics", token=admin).json["media"]
    head = (
        f"POST /uploads/multipart HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {user}\r\n"
        f"Content-Type: {TYPE}\r\nContent-Length: 100000\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", target.port), timeout=20) as connection:
        connection.sendall(head.encode() + form(("file", CONTENT)))
    # It is answered after the one before it has been let go.
    assert upload(target, user, form(("title", b"x"))).status == 400
    assert target.ask("GET", "/admin/statistics", token=admin).json["media"] == before


def test_nodes_do_not_upload(target: Target, account: str) -> None:
    assert upload(target, account, form(("file", b"x"))).status == 403
    assert upload(target, "", form(("file", b"x"))).status == 401
