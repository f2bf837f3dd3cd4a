"""Compression and encryption of chunks."""

import gzip
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.target.sessions.chunks import (
    MAX_CHUNK_BYTES,
    SEALING_BYTES,
    BadChunkError,
    CorruptChunkError,
    PackedChunk,
    SessionCipher,
    accept,
    pack,
    reduction,
    unpack,
)
from worker.users.lucid import screen_chunks

CIPHER = SessionCipher(bytes(32), "s")
CHUNK = pack(b"a chunk")


def opened(sealed: bytes, chunk: PackedChunk = CHUNK, sequence: int = 0, cipher: SessionCipher = CIPHER) -> bytes:
    return cipher.open(sealed, sequence, chunk.raw_bytes, chunk.digest)


@given(st.binary(min_size=1, max_size=5000), st.integers(0, 10**9))
def test_what_is_stored_comes_back(raw: bytes, sequence: int) -> None:
    """A chunk that is packed, sealed, opened and unpacked is what it was, and takes as many bytes as announced."""
    chunk = pack(raw)
    sealed = CIPHER.seal(chunk, sequence)
    assert unpack(opened(sealed, chunk, sequence)) == raw
    assert len(sealed) == chunk.stored_bytes == len(chunk.compressed) + SEALING_BYTES


@pytest.mark.parametrize("raw", screen_chunks.chunks())
def test_desktops_shrink_by_more_than_70_percent(raw: bytes) -> None:
    """Encryption included, a chunk that looks like a desktop takes less than 30 % of its size."""
    chunk = pack(raw)
    assert reduction(chunk.raw_bytes, chunk.stored_bytes) > 0.7


def test_any_changed_byte_is_detected() -> None:
    """A sealed chunk with any one byte changed does not open."""
    sealed = CIPHER.seal(CHUNK, 0)
    for position in range(len(sealed)):
        tampered = bytearray(sealed)
        tampered[position] ^= 1
        with pytest.raises(CorruptChunkError):
            opened(bytes(tampered))


def test_a_truncated_chunk_is_detected() -> None:
    """A sealed chunk that lacks bytes at its end does not open."""
    sealed = CIPHER.seal(CHUNK, 0)
    for length in range(len(sealed)):
        with pytest.raises(CorruptChunkError):
            opened(sealed[:length])


def test_a_chunk_at_another_place_is_detected() -> None:
    """A chunk opens under its own number and in its own session alone, even if both sessions had one key."""
    sealed = CIPHER.seal(CHUNK, 0)
    with pytest.raises(CorruptChunkError, match="chunk 1 of session s"):
        opened(sealed, sequence=1)
    with pytest.raises(CorruptChunkError, match="chunk 0 of session other"):
        opened(sealed, cipher=SessionCipher(bytes(32), "other"))


@pytest.mark.parametrize("lie", [{"raw_bytes": 8}, {"digest": bytes(32)}])
def test_a_row_that_lies_about_its_chunk_is_detected(lie: dict[str, object]) -> None:
    """Length and digest of the recorded bytes are authenticated, so that they need not be worked out anew."""
    with pytest.raises(CorruptChunkError):
        opened(CIPHER.seal(CHUNK, 0), replace(CHUNK, **lie))


def test_equal_chunks_are_sealed_differently_and_no_other_key_opens_them() -> None:
    """Who reads the store learns of no chunk that it is the same as another."""
    sealed = CIPHER.seal(CHUNK, 0)
    assert sealed != CIPHER.seal(CHUNK, 0)
    with pytest.raises(CorruptChunkError):
        opened(sealed, cipher=SessionCipher(b"k" * 32, "s"))


@given(st.binary(min_size=1, max_size=5000), st.integers(0, 9))
def test_a_chunk_that_the_client_compressed_is_the_same_chunk(raw: bytes, level: int) -> None:
    """Length and digest are those of the recorded bytes, whoever compressed them."""
    chunk = accept(gzip.compress(raw, level))
    assert unpack(chunk.compressed) == raw
    assert (chunk.raw_bytes, chunk.digest) == (len(raw), pack(raw).digest)


WHOLE = gzip.compress(b"a chunk" * 100, mtime=0)
BOMB = gzip.compress(bytes(2 * MAX_CHUNK_BYTES), mtime=0)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "ends early"),
        (b"a chunk", "not gzip"),
        (zlib.compress(b"a chunk"), "not gzip"),
        (WHOLE[:-1], "ends early"),
        (WHOLE[:-4] + b"\x00\x00\x00\x01", "incorrect length check"),
        (WHOLE[:-8] + b"\x00\x00\x00\x01" + WHOLE[-4:], "incorrect data check"),
        (WHOLE + b"\x00", "behind the end"),
        (WHOLE + WHOLE, "behind the end"),
        (gzip.compress(b"", mtime=0), "at least one byte"),
        (gzip.compress(bytes(MAX_CHUNK_BYTES + 1), mtime=0), f"longer than {MAX_CHUNK_BYTES} bytes"),
        (BOMB, f"longer than {MAX_CHUNK_BYTES} bytes"),
        (BOMB[:-4] + b"\x01\x00\x00\x00", f"longer than {MAX_CHUNK_BYTES} bytes"),
    ],
)
def test_a_lie_about_compression_is_refused(body: bytes, why: str) -> None:
    """What is not one whole member of gzip, or unpacks to more than a chunk may have, is refused with the reason."""
    with pytest.raises(BadChunkError, match=why):
        accept(body)


def test_the_longest_chunk_is_accepted() -> None:
    """The bound on what a compressed chunk unpacks to is the bound on chunks, not one byte less."""
    assert accept(gzip.compress(bytes(MAX_CHUNK_BYTES))).raw_bytes == MAX_CHUNK_BYTES


@given(st.binary(max_size=200))
def test_no_bytes_but_gzip_are_accepted(body: bytes) -> None:
    """Whatever is sent as gzip is a chunk or refused; nothing else happens."""
    try:
        chunk = accept(body)
    except BadChunkError:
        return
    assert gzip.decompress(body) == unpack(chunk.compressed)


def test_an_empty_chunk_is_refused() -> None:
    """A chunk has at least one byte."""
    with pytest.raises(BadChunkError, match="at least one byte"):
        pack(b"")


def test_reduction_is_the_share_saved() -> None:
    """A chunk that grew has a negative reduction, and no bytes have none."""
    assert reduction(1000, 250) == 0.75
    assert reduction(1, 49) == -48
    assert reduction(0, 0) is None
