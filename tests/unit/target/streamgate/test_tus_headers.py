"""What the headers of tus say, and what is made of titles and tags."""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.target.api.errors import ApiError
from master.target.streamgate.uploads.description import Description, read_description
from master.target.streamgate.uploads.tus import BadHeaderError, parse_checksum, parse_metadata


def encoded(value: bytes) -> str:
    return b64encode(value).decode()


def test_a_checksum_matches_its_content_alone() -> None:
    content = b"some content"
    digests = {
        "sha1": hashlib.sha1(content).digest(),
        "sha256": hashlib.sha256(content).digest(),
        "crc32": zlib.crc32(content).to_bytes(4, "big"),
    }
    for algorithm, digest in digests.items():
        checksum = parse_checksum(f"{algorithm} {encoded(digest)}")
        assert checksum.matches(content)
        assert not checksum.matches(content + b"\0")
        assert not checksum._replace(digest=b"").matches(content)


def test_a_checksum_without_a_digest_matches_nothing() -> None:
    assert not parse_checksum("sha256").matches(b"")


@pytest.mark.parametrize(
    "header", ["", "md5 AAAA", "SHA256 AAAA", "sha256 A", "sha256 %%%%", "sha256 AAAA\u00ff", " sha256 AAAA"]
)
def test_what_is_no_checksum_is_refused(header: str) -> None:
    with pytest.raises(BadHeaderError):
        parse_checksum(header)


@given(st.dictionaries(st.text("abcdefgh_-", min_size=1, max_size=8), st.text(max_size=30), max_size=16))
def test_metadata_are_read_as_they_were_written(given_metadata: dict[str, str]) -> None:
    header = ",".join(f"{key} {encoded(value.encode())}" for key, value in given_metadata.items())
    assert parse_metadata(header) == given_metadata


def test_a_key_may_stand_without_a_value() -> None:
    assert parse_metadata("public, title eA==,tags") == {"public": "", "title": "x", "tags": ""}


@pytest.mark.parametrize(
    "header",
    [",", "title eA==,title eQ==", "title !", "title /w==", "\u00fc eA==", ",".join(f"k{n} eA==" for n in range(17))],
)
def test_what_are_no_metadata_is_refused(header: str) -> None:
    with pytest.raises(BadHeaderError):
        parse_metadata(header)


@pytest.mark.parametrize(
    ("given_metadata", "description"),
    [
        ({}, ("untitled", "")),
        ({"title": "A film", "filename": "x.mp4"}, ("A film", "")),
        ({"title": "", "filename": "x.mp4"}, ("x.mp4", "")),
        ({"filename": "x" * 1000}, ("x" * 128, "")),
        ({"title": "A", "tags": "news,hd,news"}, ("A", "news hd")),
        ({"title": "A", "tags": ""}, ("A", "")),
    ],
)
def test_a_title_and_tags_are_made_of_what_is_given(
    given_metadata: dict[str, str], description: tuple[str, str]
) -> None:
    assert read_description(given_metadata) == Description(*description)


@pytest.mark.parametrize(
    "given_metadata",
    [
        {"title": "x" * 129},
        {"title": "a\0b"},
        {"filename": "a\0b"},
        {"tags": "News"},
        {"tags": "a,,b"},
        {"tags": "a b"},
        {"tags": "x" * 33},
        {"tags": ",".join("abcdefghi")},
    ],
)
def test_a_description_that_breaks_the_rules_is_refused(given_metadata: dict[str, str]) -> None:
    with pytest.raises(ApiError) as refused:
        read_description(given_metadata)
    assert refused.value.status == 422
