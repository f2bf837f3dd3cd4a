"""The content of rows, taken apart: as it stands in the file, to a mapping of columns to values. Pure."""

from __future__ import annotations

import csv
import io
import json
from functools import lru_cache
from typing import Any

from worker.wire.rows import DataTable

RowValues = list[str] | dict[str, Any]
"""The values of a row in the order of the columns; of JSON lines, its object."""


def parse_rows(content: bytes, table: DataTable) -> list[RowValues]:
    """The rows in `content`, which are whole ones. Raises ValueError where they are none of this table."""
    return _parse(content, table.format, len(table.columns))


def _parse(content: bytes, format_: str, columns: int) -> list[RowValues]:
    text = content.decode()
    if format_ == "jsonl":
        objects = [json.loads(line) for line in text.split("\n") if line.strip()]
        if not all(isinstance(row, dict) for row in objects):
            raise ValueError("a row is no object")
        return objects
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error as error:
        raise ValueError(str(error)) from None
    if any(len(row) != columns for row in rows):
        raise ValueError("a row has another number of values than there are columns")
    return list(rows)


@lru_cache(maxsize=100)
def parse_whole(content: bytes, format_: str, columns: int) -> tuple[RowValues, ...]:
    """All rows of a small table, once for all workers of a process. Raises ValueError."""
    return tuple(_parse(content, format_, columns))


def by_column(values: RowValues, table: DataTable) -> dict[str, Any]:
    """The values of a row by column."""
    if isinstance(values, dict):
        return values
    return dict(zip(table.columns, values, strict=True))
