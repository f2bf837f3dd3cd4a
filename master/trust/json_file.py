"""A file of JSON with a schema and one type for its content, read whole or not at all, replaced at once and whole, mode 0600."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from master.errors import InputError
from worker.atomic_write import atomic_write


class JsonFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of such a file; `schema` names its form and version."""

    schema: str

    def write(self, file: Path) -> None:
        """Put it in place of `file`. Raises OSError."""
        atomic_write(file, msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")


Content = TypeVar("Content", bound=JsonFile)


def read_json_file(file: Path, empty: Content, *, hint: str) -> Content:
    """The content of `file`, `empty` where there is no file; its schema must be that of `empty`.

    Raises InputError, with `hint` where the file can't be read.
    """
    try:
        found = msgspec.json.decode(file.read_bytes(), type=type(empty))
    except FileNotFoundError:
        return empty
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(f"can't be read: {error}", file=file, hint=hint) from None
    if found.schema != empty.schema:
        raise InputError(f"schema {found.schema!r}, where {empty.schema!r} is known", file=file)
    return found
