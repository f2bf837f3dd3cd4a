"""Compression and encryption of chunks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.target.sessions.chunks import ChunkCipher, CorruptChunkError, compress, decompress, reduction

CIPHER = ChunkCipher()


@given(st.binary(min_size=1, max_size=5000), st.integers(0, 10**9))
def test_what_is_stored_comes_back(raw: bytes, sequence: int) -> None:
    sealed = CIPHER.seal(compress(raw), "s", sequence)
    assert decompress(CIPHER.open(sealed, "s", sequence)) == raw


def test_any_changed_byte_is_detected() -> None:
    sealed = CIPHER.seal(b"a chunk", "s", 0)
    for position in range(len(sealed)):
        tampered = bytearray(sealed)
        tampered[position] ^= 1
        with pytest.raises(CorruptChunkError):
            CIPHER.open(bytes(tampered), "s", 0)


def test_a_truncated_chunk_is_detected() -> None:
    sealed = CIPHER.seal(b"a chunk", "s", 0)
    for length in range(len(sealed)):
        with pytest.raises(CorruptChunkError):
            CIPHER.open(sealed[:length], "s", 0)


@pytest.mark.parametrize(("session", "sequence"), [("other", 0), ("s", 1)])
def test_a_chunk_moved_to_another_place_is_detected(session: str, sequence: int) -> None:
    with pytest.raises(CorruptChunkError, match=f"chunk {sequence} of session {session}"):
        CIPHER.open(CIPHER.seal(b"a chunk", "s", 0), session, sequence)


def test_equal_chunks_are_sealed_differently_and_no_other_key_opens_them() -> None:
    sealed = CIPHER.seal(b"a chunk", "s", 0)
    assert sealed != CIPHER.seal(b"a chunk", "s", 0)
    with pytest.raises(CorruptChunkError):
        ChunkCipher().open(sealed, "s", 0)


def test_reduction_is_the_share_saved() -> None:
    assert reduction(1000, 250) == 0.75
    assert reduction(1, 49) == -48
