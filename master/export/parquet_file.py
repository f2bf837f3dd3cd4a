"""An export as one Parquet file: all tables below each other, with the name of the table in the column `record`.

Parquet has one list of columns a file. So it has those of all tables, each null in rows of other tables, which takes next to no room; a group of
rows is of one table, so that a reader who asks for one reads no other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow.parquet import ParquetWriter

from master.export.schema import TABLES, Kind, Table

RECORD = "record"
ROWS = 50_000
"""Rows of a group: some megabytes in memory."""
_TYPES: dict[Kind, Any] = {"text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}


def file_schema() -> Any:
    """The columns of the file, in order."""
    kinds: dict[str, Kind] = {}
    for table in TABLES:
        for column in table.columns:
            known = kinds.setdefault(column.name, column.kind)
            assert known == column.kind, f"{column.name} is {known} elsewhere"
    fields = [
        pa.field(RECORD, pa.string(), nullable=False),
        *(pa.field(name, _TYPES[kind]) for name, kind in kinds.items()),
    ]
    return pa.schema(fields, metadata={"schema": "piswarm/export/1"})


class ParquetFile:
    """Writes all tables into one file. Raises OSError where that can't be done."""

    def __init__(self, path: Path) -> None:
        self._schema = file_schema()
        self._writer = ParquetWriter(path, self._schema, compression="zstd")

    @contextmanager
    def table(self, table: Table) -> Iterator[Any]:
        """A function that writes a row of a table, for as long as the block lasts."""
        rows: list[tuple[Any, ...]] = []

        def write(row: tuple[Any, ...]) -> None:
            rows.append(row)
            if len(rows) == ROWS:
                self._write(table, rows)

        yield write
        if rows:
            self._write(table, rows)

    def _write(self, table: Table, rows: list[tuple[Any, ...]]) -> None:
        columns = dict(zip((column.name for column in table.columns), zip(*rows, strict=True), strict=True))
        arrays = [pa.array([table.name] * len(rows))]
        for field in list(self._schema)[1:]:
            values = columns.get(field.name)
            arrays.append(pa.nulls(len(rows), field.type) if values is None else pa.array(values, field.type))
        self._writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self._schema), row_group_size=ROWS)
        rows.clear()

    def close(self) -> None:
        """Everything is written, but for the file's end."""
        self._writer.close()
