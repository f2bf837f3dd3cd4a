"""The master key: in a file beside the database, or, where there is none, in the database itself.

The chunks of a database can be read for as long as it has its key. A file is for its owner's eyes alone: one that others may read
is refused instead of used. A key inside the database protects nothing from who can read the database; it is there for those
who care for chunks that outlive the process and not for secrecy, and it is not used where a file is named.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from master.target.database.database import Database, DatabaseError
from master.target.sessions.keys import KEY_BYTES, derive_key

_SCHEMA = """
CREATE TABLE IF NOT EXISTS session_keys (one INTEGER PRIMARY KEY, fingerprint BLOB NOT NULL, master_key BLOB);
"""
_FIND = "SELECT fingerprint, master_key FROM session_keys WHERE one = 1"
_ADD = "INSERT INTO session_keys (one, fingerprint, master_key) VALUES (1, ?, ?) ON CONFLICT (one) DO NOTHING"
_FINGERPRINT_BYTES = 8


class MasterKeyError(DatabaseError):
    """The master key can't be used; says why, and what to do."""


async def open_master_key(database: Database, file: Path | None) -> bytes:
    """The key of the chunks in `database`, from `file` or else from the database; made where there is none.

    Raises MasterKeyError if it is not the one that the database was begun with.
    """
    await database.create(_SCHEMA)
    found = await database.fetch_one(_FIND)
    if found is None:
        made = secrets.token_bytes(KEY_BYTES) if file is None else load_key_file(file)
        await database.execute(_ADD, _fingerprint(made), made if file is None else None)
        found = await database.fetch_one(_FIND)
        assert found is not None
    fingerprint, inside = found
    if file is not None:
        key = load_key_file(file)
    elif inside is not None:
        key = bytes(inside)
    else:
        raise MasterKeyError("its chunks were sealed with a key from a file; name that with --key-file")
    if _fingerprint(key) != bytes(fingerprint):
        where = "in the database" if file is None else f"in {file}"
        raise MasterKeyError(f"the key {where} is not the one that its chunks were sealed with; give that one back")
    return key


def load_key_file(path: Path) -> bytes:
    """The key at `path`; a new one where there is none. Raises MasterKeyError."""
    try:
        with suppress(FileNotFoundError):
            return _read(path)
        # Whole or not at all: a process killed on the way leaves no short key, and of two that start at once one key stays.
        draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                path.hardlink_to(draft)
        finally:
            draft.unlink()
        return _read(path)
    except OSError as error:
        raise MasterKeyError(f"the key in {path}: {error.strerror}; name another --key-file") from None


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077:
            raise MasterKeyError(f"others can read the key in {path}; chmod 600 it, or begin a new database")
        key = file.read(KEY_BYTES + 1)
    if len(key) != KEY_BYTES:
        raise MasterKeyError(f"{path} is no key of {KEY_BYTES} bytes; name another --key-file, or a new database")
    return key


def _fingerprint(master_key: bytes) -> bytes:
    return derive_key(master_key, "fingerprint")[:_FINGERPRINT_BYTES]
