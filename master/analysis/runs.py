"""A run that has ended, as it lies in its directory: result.json, run.db and the scenario as it was run."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from master.errors import InputError
from master.inputs import read_input
from master.judge.result import SCHEMA, Result
from master.run.directory import RunDirectory
from master.store import StoreReader, unreadable
from master.yaml_file.document import read_document

MAX_RESULT_BYTES = 64 << 20
"""A result.json of 500 nodes and 1000 endpoints has some 2 MB."""


class _Schema(msgspec.Struct):
    schema: str


@dataclass(frozen=True)
class StoredRun:
    """A run that has ended."""

    directory: RunDirectory
    result: Result

    @classmethod
    def open(cls, path: Path) -> StoredRun:
        """The run in the directory `path`. Raises InputError where that is no run directory, or has no result.json of this version."""
        directory = RunDirectory(path)
        if not path.is_dir() or not (directory.result.exists() or directory.database.exists()):
            raise InputError(f"{path} is no run directory", hint="Name a directory that piswarm run has made.")
        if not directory.result.exists():
            raise InputError(
                f"{path} has no result.json: the run is still on, or was killed",
                hint=f"Wait for its end. Where it was killed: piswarm resume {path} goes on with it, piswarm report {path} judges what there is.",
            )
        return cls(directory, _read_result(directory.result))

    @property
    def name(self) -> str:
        """The run's name, for people."""
        return self.directory.name

    @cached_property
    def scenario(self) -> Mapping[str, Any]:
        """The keys of the scenario as it was run, every default spelled out. Raises InputError where the file can't be read."""
        document = read_document(self.directory.scenario)
        document.raise_faults()
        assert isinstance(document.data, dict)  # the reader refuses all else
        return document.data

    @contextmanager
    def store(self) -> Iterator[StoreReader]:
        """Its run.db, to read. Raises InputError where that is missing, of another version, or damaged."""
        path = self.directory.database
        with closing(StoreReader.open(path)) as store:
            try:
                yield store
            except sqlite3.Error as error:
                raise unreadable(path, error) from None


def find_runs(folder: Path) -> list[Path]:
    """The run directories right below `folder` that have a result.json, in the order in which the runs began.

    Raises InputError where `folder` is no directory.
    """
    try:
        found = {path: path / "result.json" for path in folder.iterdir() if (path / "result.json").is_file()}
    except OSError as error:
        raise InputError(f"{folder} can't be read: {error.strerror}", hint="Name a directory of runs.") from None
    return sorted(found, key=lambda path: (_started_at(found[path]), path.name))


class _Start(msgspec.Struct):
    started_at: str = ""


def _started_at(path: Path) -> float:
    """When a run began, in seconds since 1970; 0 where its result does not say it."""
    try:
        return datetime.fromisoformat(msgspec.json.decode(path.read_bytes(), type=_Start).started_at).timestamp()
    except (OSError, ValueError):  # also what msgspec raises
        return 0.0


def _read_result(path: Path) -> Result:
    content = read_input(path, MAX_RESULT_BYTES, hint="Name a directory that piswarm run has made.")
    try:
        schema = msgspec.json.decode(content, type=_Schema).schema
        if schema != SCHEMA:
            raise InputError(
                f"{path} is of the schema {schema}, this version of piswarm reads {SCHEMA}",
                hint="Read it with the version that made it.",
            )
        return msgspec.json.decode(content, type=Result)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no result of a run: {error}", hint="Is the file damaged?") from None
