"""A body to read from as from a file. No I/O: it asks for the next piece when it needs one."""

from __future__ import annotations

from collections.abc import Iterator


class BodyReader:
    """A file-like view of `pieces`, each of any size; none is asked for before it is needed."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = bytearray()

    def read(self, size: int | None = None) -> bytes:
        """The next `size` bytes, fewer only at the end; all that is left without a size."""
        if size is not None and size < 0:
            size = None
        while size is None or len(self._held) < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._held += piece
        return self._pop(len(self._held) if size is None else size)

    def readline(self, sep: bytes = b"\r\n") -> bytes:
        """The next line with its end, which is `sep`; the last one may have none, and after it there is nothing."""
        searched = 0
        while (end := self._held.find(sep, searched)) < 0:
            searched = max(0, len(self._held) - len(sep) + 1)
            piece = next(self._pieces, None)
            if piece is None:
                return self._pop(len(self._held))
            self._held += piece
        return self._pop(end + len(sep))

    def __iter__(self) -> Iterator[bytes]:
        if self._held:
            yield self._pop(len(self._held))
        yield from self._pieces

    def _pop(self, size: int) -> bytes:
        piece = bytes(self._held[:size])
        del self._held[:size]
        return piece
