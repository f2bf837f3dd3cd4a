"""The body of a streamed response, read while it comes, as fast as its reader takes it."""

from __future__ import annotations

from collections.abc import Iterator

from worker.http.protocol.content_coding import Decoding
from worker.http.transport.connection import Connection
from worker.http.transport.pool import OriginPool


class Stream:
    """The rest of a streamed response on `connection`, decoded; holds a place in `origin_pool` until it is read or closed."""

    def __init__(self, connection: Connection, origin_pool: OriginPool, max_piece: int) -> None:
        self._connection: Connection | None = connection
        self._origin_pool = origin_pool
        self._max_piece = max_piece
        self._decoding: Decoding | None = None

    def __iter__(self) -> Iterator[bytes]:
        """The pieces as they come. Raises FAILURES."""
        while (connection := self._connection) is not None:
            reader = connection.reader
            piece = reader.pop_content()
            try:
                if not piece and not reader.complete:
                    connection.read_more()
                    continue
                if reader.head is not None and reader.head.encoding:
                    if self._decoding is None:
                        self._decoding = Decoding(reader.head.encoding, self._max_piece)
                    piece = self._decoding.feed(piece)
                    if reader.complete:
                        self._decoding.finish()
            except BaseException:
                self.close()
                raise
            if reader.complete:
                self._release()
            yield piece

    @property
    def closed(self) -> bool:
        """Whether it was read to its end, or closed."""
        return self._connection is None

    def close(self) -> None:
        """Leave the rest unread; if there is any, the connection is closed, for no other response can be told from it."""
        if self._connection is not None:
            if not self._connection.reader.complete:
                self._connection.close()
            self._release()

    def _release(self) -> None:
        connection, self._connection = self._connection, None
        self._origin_pool.release(connection)

    def __del__(self) -> None:
        self.close()
