"""Content codings are undone in pieces of any size and within limits, and a damaged body is a failure."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.http.errors import BadAnswerError
from worker.http.protocol.content_coding import Decoding, decode

LIMIT = 100_000


def raw_deflate(data: bytes) -> bytes:
    return zlib.compress(data)[2:-4]


ENCODERS: dict[str, tuple[bytes, Callable[[bytes], bytes]]] = {
    "gzip": (b"gzip", gzip.compress),
    "gzip of two members": (b"x-gzip", lambda data: gzip.compress(data[:7]) + gzip.compress(data[7:])),
    "deflate": (b"deflate", zlib.compress),
    "deflate without a header": (b"deflate", raw_deflate),
    "br": (b"br", brotli.compress),
    "gzip in br": (b"gzip, br", lambda data: brotli.compress(gzip.compress(data))),
}


@pytest.mark.parametrize("name", ENCODERS)
@given(data=st.binary(max_size=2000) | st.binary(min_size=1, max_size=5).map(lambda unit: unit * 10_000))
def test_what_was_encoded_comes_back(name: str, data: bytes) -> None:
    encoding, encode = ENCODERS[name]
    assert decode(encode(data), encoding, LIMIT) == data


@pytest.mark.parametrize("name", ENCODERS)
@given(data=st.binary(max_size=500), size=st.integers(1, 40))
def test_pieces_of_any_size_give_the_same(name: str, data: bytes, size: int) -> None:
    encoding, encode = ENCODERS[name]
    encoded = encode(data)
    decoding = Decoding(encoding, LIMIT)
    pieces = [decoding.feed(encoded[start : start + size]) for start in range(0, len(encoded), size)]
    decoding.finish()
    assert b"".join(pieces) == data


@pytest.mark.parametrize("name", ENCODERS)
def test_a_bomb_is_stopped_at_the_limit(name: str) -> None:
    """A body that decodes to more than the limit is a failure, however small it was sent."""
    encoding, encode = ENCODERS[name]
    with pytest.raises(BadAnswerError, match=f"more than {LIMIT} bytes"):
        decode(encode(bytes(50_000_000)), encoding, LIMIT)


@pytest.mark.parametrize("name", ENCODERS)
def test_a_body_cut_short_is_told(name: str) -> None:
    encoding, encode = ENCODERS[name]
    with pytest.raises(BadAnswerError, match=r"ends too early|damaged"):
        decode(encode(b"some text, long enough to be cut")[:-6], encoding, LIMIT)


@pytest.mark.parametrize("encoding", [b"gzip", b"br", b"deflate"])
def test_damage_is_told(encoding: bytes) -> None:
    with pytest.raises(BadAnswerError, match=f"{encoding.decode()} body is damaged"):
        decode(b"\xffthis is not what it is said to be" * 9, encoding, LIMIT)


@pytest.mark.parametrize("encoding", [b"zstd", b"gzip,gzip,gzip,gzip"])
def test_encodings_nobody_asked_for_are_refused(encoding: bytes) -> None:
    with pytest.raises(BadAnswerError, match="encoding"):
        decode(b"x", encoding, LIMIT)


def test_a_gzip_body_of_countless_members_is_refused() -> None:
    """Members of twenty bytes that decode to nothing are limited in number, since each makes the rest be copied."""
    with pytest.raises(BadAnswerError, match="members"):
        decode(gzip.compress(b"") * 100_000, b"gzip", LIMIT)


def test_an_empty_body_may_have_any_known_encoding() -> None:
    """An empty body is no damage: servers send Content-Encoding with responses to HEAD and with empty ones."""
    assert decode(b"", b"gzip", LIMIT) == b""
