"""The file run.db: opening an existing one, and checking that it is whole and of this version."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Literal

from master.errors import InputError
from master.store.schema import VERSION


def open_existing(path: Path, mode: Literal["ro", "rw"]) -> sqlite3.Connection:
    """A connection to the run.db at `path`. Raises InputError when there is none, or it can't be read as one of this version."""
    if not path.exists():
        raise InputError(f"{path} is not there", hint="Name a directory that piswarm run has made.")
    try:
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True)
    except sqlite3.Error as error:
        raise unreadable(path, error) from None
    try:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        (tables,) = database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.Error as error:
        database.close()
        raise unreadable(path, error) from None
    if version == VERSION and tables:
        return database
    database.close()
    raise _other_version(
        path, f"its tables are of version {version}, those here of {VERSION}" if tables else "it is empty"
    )


def check_integrity(path: Path) -> None:
    """Read all of a run.db, changing nothing. Raises InputError when a part of it is missing or damaged."""
    with closing(open_existing(path, "ro")) as database:
        try:
            (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.Error as error:
            raise unreadable(path, error) from None
    if found != "ok":
        raise unreadable(path, sqlite3.DatabaseError(found))


def unreadable(path: Path, error: sqlite3.Error) -> InputError:
    """What to tell about a run.db that SQLite can't read."""
    # DatabaseError itself, not one of its kinds: no database at all, or one of which a part is missing.
    if type(error) is sqlite3.DatabaseError:
        return InputError(f"{path} is no run.db: {error}", hint="Is the file damaged, or was a part of it cut off?")
    if "no such" in str(error):  # a table or a column
        return _other_version(path, str(error))
    return InputError(f"{path} can't be read: {error}", hint="May this user read it, and is no other program using it?")


def _other_version(path: Path, how: str) -> InputError:
    return InputError(
        f"{path} was not made by this version of piswarm: {how}", hint="Read it with the version that made it."
    )
