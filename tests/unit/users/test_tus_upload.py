"""Resumable uploads from the client's side, against a server that is played by hand."""

from __future__ import annotations

from base64 import b64decode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.users.streamgate.answer import Answer, WrongReplyError
from worker.users.streamgate.tus import TusUpload, metadata


def answer(status: int, **fields: object) -> Answer:
    """An answer with the header fields of a tus server; `Upload_Offset=1` is `Upload-Offset: 1`."""
    named = {"Tus_Resumable": "1.0.0", **fields}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in named.items() if value is not None)
    return Answer(status, f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode(), b"")


def created(content: bytes = b"0123456789") -> TusUpload:
    upload = TusUpload(content, {"title": "a title"})
    upload.accept_creation(answer(201, Location="/uploads/u1"))
    return upload


def offset(stored: int, length: int = 10) -> Answer:
    return answer(200, Upload_Offset=stored, Upload_Length=length, Cache_Control="no-store")


def test_metadata_is_names_with_values_in_base64() -> None:
    assert metadata({"filename": "a, b.bin", "title": "Ü"}) == "filename YSwgYi5iaW4=,title w5w="


def test_an_upload_is_created_with_its_length_and_metadata() -> None:
    upload = TusUpload(b"0123456789", {"title": "a"})
    assert upload.creation_headers() == {
        "Tus-Resumable": "1.0.0",
        "Upload-Length": "10",
        "Upload-Metadata": "title YQ==",
    }
    upload.accept_creation(answer(201, Location="http://media.example/uploads/u1"))
    assert upload.path == "/uploads/u1"


@pytest.mark.parametrize("location", [None, "", "/admin/accounts", "https://elsewhere.example/x", "uploads/u1"])
def test_a_location_that_is_no_upload_is_refused(location: str | None) -> None:
    """So that no chunk, and no token, is led elsewhere."""
    with pytest.raises(WrongReplyError, match="Location is missing or no upload"):
        TusUpload(b"x", {}).accept_creation(answer(201, Location=location))


def test_a_chunk_says_where_it_belongs_and_what_its_checksum_is() -> None:
    upload = created()
    headers, body = upload.next_chunk(4)
    assert (headers["Upload-Offset"], body) == ("0", b"0123")
    assert headers["Content-Type"] == "application/offset+octet-stream"
    algorithm, digest = headers["Upload-Checksum"].split()
    assert (algorithm, b64decode(digest)) == ("sha256", sha256(b"0123").digest())
    assert "Upload-Checksum" not in upload.next_chunk(4, checksum=False)[0]


def test_an_upload_is_complete_once_all_chunks_are_stored() -> None:
    upload = created()
    for expected in (b"0123", b"4567", b"89"):
        assert not upload.is_complete
        _, body = upload.next_chunk(4)
        assert body == expected
        upload.accept_chunk(answer(204, Upload_Offset=upload.offset_bytes + len(body)), len(body))
    assert upload.is_complete


def test_a_location_that_is_no_url_is_refused() -> None:
    with pytest.raises(WrongReplyError, match="Location is no URL"):
        TusUpload(b"x", {}).accept_creation(answer(201, Location="http://[/uploads/u1"))


@pytest.mark.parametrize(
    "location", ["/uploads/", "/uploads/a%0d", "/uploads/a b", "/uploads/..", f"/uploads/{'a' * 200}"]
)
def test_a_location_with_a_strange_id_is_refused(location: str) -> None:
    with pytest.raises(WrongReplyError, match="an id has other characters"):
        TusUpload(b"x", {}).accept_creation(answer(201, Location=location))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (answer(204, Upload_Offset=3), "not what was sent"),
        (answer(204), "Upload-Offset is missing or no number"),
        (answer(204, Upload_Offset="-4"), "Upload-Offset is missing or no number"),
        (answer(204, Upload_Offset="9" * 30), "Upload-Offset is missing or no number"),
        (answer(200, Upload_Offset=4), "status 200 instead of 204"),
        (answer(460), "status 460 instead of 204"),
        (answer(409), "status 409 instead of 204"),
        (answer(204, Upload_Offset=4, Tus_Resumable=None), "Tus-Resumable is missing"),
    ],
)
def test_a_wrong_answer_to_a_chunk_is_refused(wrong: Answer, message: str) -> None:
    """409 too, where no connection broke off before."""
    with pytest.raises(WrongReplyError, match=message):
        created().accept_chunk(wrong, 4)


@pytest.mark.parametrize("stored", [0, 3, 6])
def test_an_upload_that_broke_off_goes_on_from_what_the_server_has(stored: int) -> None:
    upload = created()
    upload.lose(6)
    assert not upload.offset_is_known
    upload.accept_offset(offset(stored))
    assert upload.next_chunk(100)[1] == b"0123456789"[stored:]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (offset(1), "less than was stored, or more than was sent"),
        (offset(9), "less than was stored, or more than was sent"),
        (offset(5, length=11), "Upload-Length contradicts"),
        (answer(200, Upload_Offset=5, Upload_Length=10), "Cache-Control is missing"),
        (answer(404), "status 404 instead of 200"),
    ],
)
def test_a_wrong_offset_is_refused(wrong: Answer, message: str) -> None:
    upload = created()
    upload.accept_chunk(answer(204, Upload_Offset=2), 2)
    upload.lose(6)
    with pytest.raises(WrongReplyError, match=message):
        upload.accept_offset(wrong)


def test_a_server_may_find_more_of_a_lost_chunk_after_it_told_the_offset_but_only_once() -> None:
    upload = created()
    upload.lose(6)
    upload.accept_offset(offset(0))
    upload.accept_chunk(answer(409), 4)
    assert not upload.offset_is_known
    upload.accept_offset(offset(6))
    with pytest.raises(WrongReplyError, match="status 409"):
        upload.accept_chunk(answer(409), 4)


@given(
    content=st.binary(min_size=1, max_size=200),
    chunk_bytes=st.integers(1, 50),
    losses=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.booleans()), max_size=20),
)
def test_what_a_server_has_stored_is_the_content_wherever_connections_broke_off(
    content: bytes, chunk_bytes: int, losses: list[tuple[float, float, bool]]
) -> None:
    """Whatever part of a broken chunk it kept, and also when it read more of it after it told the offset."""
    upload, stored, late = created(content), bytearray(), b""
    for sent_share, kept_share, is_late in losses:
        if upload.is_complete:
            break
        _, body = upload.next_chunk(chunk_bytes, checksum=False)
        sent = body[: int(len(body) * sent_share)]
        kept = sent[: int(len(sent) * kept_share)]
        upload.lose(len(sent))
        if is_late:
            late = kept
        else:
            stored += kept
        upload.accept_offset(offset(len(stored), len(content)))
        if late and not upload.is_complete:
            stored, late = stored + late, b""
            upload.accept_chunk(answer(409), 1)
            upload.accept_offset(offset(len(stored), len(content)))
            if not upload.is_complete:
                _, body = upload.next_chunk(chunk_bytes)
                stored += body
                upload.accept_chunk(answer(204, Upload_Offset=len(stored)), len(body))
    while not upload.is_complete:
        _, body = upload.next_chunk(chunk_bytes)
        stored += body
        upload.accept_chunk(answer(204, Upload_Offset=len(stored)), len(body))
    assert bytes(stored) == content
