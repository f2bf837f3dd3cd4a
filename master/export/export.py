"""What `piswarm export` does: a run's tables, written beside their place, and put there when they are whole."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from master.analysis.runs import StoredRun
from master.errors import AbortError, InputError
from master.export.csv_files import CsvFiles
from master.export.rows import ExportedRows
from master.export.schema import TABLES, Table
from master.formatting import count, counted

if TYPE_CHECKING:
    from master.export.parquet_file import ParquetFile

Format = Literal["csv", "parquet"]
Say = Callable[[str], None]
"""Told what is being written."""
_EVERY = 1_000_000
"""Rows after which it is said how many there are."""


def export(directory: Path, target: Path, form: Format, only: Collection[str], say: Say) -> list[str]:
    """Write the tables of a run (`only` some of them, or all) as CSV files into the directory `target`, or as the Parquet file `target`.

    Returns what is missing in them since it is damaged in run.db. Raises InputError where there is no such run, or `target` is there
    already or can't be written, and AbortError for Ctrl-C. Whatever happens, `target` is whole or not there.
    """
    run, target = StoredRun.open(directory), target.absolute()
    _refuse_existing(target)
    tables = [table for table in TABLES if not only or table.name in only]
    unfinished = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        missing = _write(run, unfinished, form, tables, say)
        _refuse_existing(target)
        unfinished.rename(target)
        return missing  # noqa: TRY300  # what follows is for failures
    except OSError as error:
        raise InputError(
            f"{target} can't be written: {error.strerror or error}", hint="Nothing was written; name another place."
        ) from None
    except KeyboardInterrupt:
        raise AbortError("interrupted: nothing was written") from None
    finally:
        if unfinished.is_dir():
            shutil.rmtree(unfinished, ignore_errors=True)
        else:
            unfinished.unlink(missing_ok=True)


def parse_tables(text: str | None) -> set[str]:
    """The tables of `--only requests,events`. Raises InputError for what is none."""
    wanted = {part.strip() for part in (text or "").split(",") if part.strip()}
    known = [table.name for table in TABLES]
    if wrong := sorted(wanted - set(known)):
        raise InputError(f"--only: {', '.join(wrong)} is no table", hint=f"Tables are {', '.join(known)}.")
    return wanted


def _write(run: StoredRun, path: Path, form: Format, tables: Collection[Table], say: Say) -> list[str]:
    with run.store() as store:
        store.hold_snapshot()
        rows = ExportedRows(run, store)
        files = _files(path, form)
        for table in tables:
            say(f"writing {table.name}")
            with files.table(table) as write:
                for number, row in enumerate(rows.of(table.name), 1):
                    write(row)
                    if not number % _EVERY:
                        say(f"writing {table.name}: {count(number)} rows")
        files.close()
        damaged = (("requests", "latencies", store.damaged), ("arrivals", "lateness", store.damaged_lateness))
        return [
            f"{table}: {counted(len(rows_of), 'row')} without {what}, which run.db has damaged"
            for table, what, rows_of in damaged
            if rows_of
        ]


def _files(path: Path, form: Format) -> CsvFiles | ParquetFile:
    if form == "csv":
        return CsvFiles(path)
    try:
        from master.export.parquet_file import ParquetFile  # noqa: PLC0415  # an extra
    except ImportError:
        raise InputError(
            "--parquet needs pyarrow, which is not installed", hint="Install piswarm[parquet], or write --csv."
        ) from None
    return ParquetFile(path)


def _refuse_existing(target: Path) -> None:
    """Nothing that is there is overwritten, but for an empty directory, which takes nothing from anybody."""
    if target.is_dir() and not target.is_symlink():
        if not any(target.iterdir()):
            return
    elif not (target.exists() or target.is_symlink()):
        return
    raise InputError(f"{target} is there already", hint="Name another place, or remove it first.")
