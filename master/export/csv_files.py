"""An export as a directory of CSV files, one a table: UTF-8, with a line of names, commas, and quotes where they are needed."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from master.export.cells import cell
from master.export.schema import Table


class CsvFiles:
    """Writes each table into a file of its name. Raises OSError where that can't be done."""

    def __init__(self, directory: Path) -> None:
        """Write into a directory, which is made."""
        directory.mkdir()
        self._directory = directory

    @contextmanager
    def table(self, table: Table) -> Iterator[Any]:
        """A function that writes a row of a table, for as long as the block lasts."""
        path = self._directory / f"{table.name}.csv"
        with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(column.name for column in table.columns)
            texts = frozenset(place for place, column in enumerate(table.columns) if column.kind in {"text", "boolean"})

            def write(row: tuple[Any, ...]) -> None:
                # Numbers are what csv makes of them, None an empty cell.
                writer.writerow([cell(value) if place in texts else value for place, value in enumerate(row)])

            yield write

    def close(self) -> None:
        """Everything is written."""
