"""Forms that upload a file: as they come in pieces, cut off, and forged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.target.streamgate.uploads.multipart import (
    MAX_FILE_BYTES,
    BadFormError,
    TooLargeFileError,
    UploadForm,
)

TYPE = "multipart/form-data; boundary=frontier"
CONTENT = b"\r\n--frontie\r\n-\r\n --frontier--\0\xff\r\r\n--" + bytes(range(256))


def part(name: str, value: bytes, more: str = "") -> bytes:
    return f'--frontier\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + value + b"\r\n"


FILE = part("file", CONTENT, '; filename="clip.bin"')
WHOLE = part("title", "Größe".encode()) + FILE + part("tags", b"news,hd") + b"--frontier--\r\n"


def read(body: bytes, *cuts: int, content_type: str = TYPE) -> tuple[bytes, dict[str, str]]:
    form = UploadForm(content_type)
    for start, end in zip((0, *cuts), (*cuts, len(body)), strict=True):
        form.feed(body[start:end])
    return form.finish(), form.fields


@given(st.lists(st.integers(0, len(WHOLE)), max_size=20).map(sorted))
def test_a_form_is_the_same_however_it_is_cut(cuts: list[int]) -> None:
    assert read(WHOLE, *cuts) == (CONTENT, {"title": "Größe", "filename": "clip.bin", "tags": "news,hd"})


@given(st.integers(0, len(WHOLE) - 4))
def test_a_form_that_ends_early_is_refused(length: int) -> None:
    """Wherever it is cut off: nothing of it is taken for a file."""
    with pytest.raises(BadFormError):
        read(WHOLE[:length])


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "x" * 300],
)
def test_a_form_needs_a_boundary(content_type: str) -> None:
    with pytest.raises(BadFormError):
        UploadForm(content_type)


@pytest.mark.parametrize(
    "body",
    [
        b"--frontier--\r\n",
        part("title", b"x") + b"--frontier--\r\n",
        FILE + FILE + b"--frontier--\r\n",
        FILE + part("title", b"a") + part("title", b"b") + b"--frontier--\r\n",
        FILE + part("owner", b"admin01") + b"--frontier--\r\n",
        FILE + part("title", b"\xff") + b"--frontier--\r\n",
        FILE + part("title", b"x" * 5000) + b"--frontier--\r\n",
        part("file", b"", '; filename="\xff"').replace("ÿ".encode(), b"\xff") + b"--frontier--\r\n",
        b"--frontier\r\n\r\nno headers\r\n--frontier--\r\n",
        b"--frontier\r\nContent-Disposition: attachment; name=file\r\n\r\nx\r\n--frontier--\r\n",
        b"--frontier\r\n" + b"X-Header: y\r\n" * 100 + b"\r\nx\r\n--frontier--\r\n",
        b"--frontier\r\nX-Header: " + b"y" * 100_000 + b"\r\n\r\nx\r\n--frontier--\r\n",
        b"--other\r\n\r\nx\r\n--other--\r\n",
        b"",
        b"{}",
    ],
)
def test_what_is_no_form_with_one_file_is_refused(body: bytes) -> None:
    with pytest.raises(BadFormError):
        read(body)


def test_a_file_is_cut_off_at_its_limit() -> None:
    form = UploadForm(TYPE)
    form.feed(part("file", b"")[:-2])
    piece = bytes(1024 * 1024)
    for _ in range(MAX_FILE_BYTES // len(piece)):
        form.feed(piece)
    with pytest.raises(TooLargeFileError):
        form.feed(b"x")


def test_an_empty_file_is_one() -> None:
    assert read(part("file", b"") + b"--frontier--\r\n") == (b"", {"filename": ""})


@given(st.binary(max_size=300) | st.binary(max_size=100).map(lambda junk: WHOLE[:150] + junk + WHOLE[150:]))
def test_no_bytes_break_it(body: bytes) -> None:
    """They are a form or they are refused."""
    try:
        read(body)
    except (BadFormError, TooLargeFileError):
        return
