"""Which of the oldest rows go when a table is full."""

from __future__ import annotations

from collections import deque


class Retention:
    """Decides which of the oldest rows go. Pure: it sees serial numbers and sizes only.

    Once a bound is passed, rows go until 1/64 of it is free, so that deleting happens once in hundreds of insertions and
    yet stays a matter of milliseconds.
    """

    def __init__(self, max_rows: int, max_bytes: int | None = None) -> None:
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._rows: deque[tuple[int, int]] = deque()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, serial: int, size_bytes: int = 0) -> int | None:
        """Note a new row; the highest serial number that has to go now, or None. Serial numbers rise."""
        self._rows.append((serial, size_bytes))
        self.bytes += size_bytes
        if not self._over(self._max_rows, self._max_bytes):
            return None
        rows_left = self._max_rows - self._max_rows // 64
        bytes_left = None if self._max_bytes is None else self._max_bytes - self._max_bytes // 64
        last = None
        while len(self._rows) > 1 and self._over(rows_left, bytes_left):
            last, size = self._rows.popleft()
            self.bytes -= size
        return last

    def _over(self, rows: int, size_bytes: int | None) -> bool:
        return len(self._rows) > rows or (size_bytes is not None and self.bytes > size_bytes)
