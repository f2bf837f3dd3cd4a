"""The password of all accounts: where it comes from."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

PASSWORD_VARIABLE = "PISWARM_TARGET_PASSWORD"  # noqa: S105  # the variable's name
REDIS_PASSWORD_VARIABLE = "PISWARM_TARGET_REDIS_PASSWORD"  # noqa: S105  # the variable's name
MAX_PASSWORD_CHARACTERS = 256
"""More than a sign-in may send can't be a password (auth/messages.py)."""


class PasswordError(Exception):
    """No password can be had from where it was to come from; says why."""


class Orders(msgspec.Struct, frozen=True):
    """What a parent writes to standard input first, as one line of JSON."""

    password: str


def read_password(file: Path | None, *, from_orders: bool) -> str | None:
    """The password as it was given: in the orders on standard input, in `file`, or in the environment; None where one is to be made.

    Raises PasswordError.
    """
    if from_orders:
        try:
            found, source = msgspec.json.decode(_first_line(), type=Orders).password, "standard input"
        except msgspec.MsgspecError as error:
            raise PasswordError(f"no orders on standard input: {error}; write one line of JSON") from None
    elif file is not None:
        source = f"--password-file {file}"
        try:
            found = file.read_text("utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise PasswordError(f"can't read {source}: {error}; name a file with the password alone") from None
    else:
        found, source = os.environ.get(PASSWORD_VARIABLE, ""), PASSWORD_VARIABLE
        if not found:
            return None
    if not 1 <= len(found) <= MAX_PASSWORD_CHARACTERS:
        raise PasswordError(
            f"the password of {source} has {len(found)} characters; give it 1 to {MAX_PASSWORD_CHARACTERS}"
        )
    return found


def _first_line() -> bytes:
    """The first line of standard input, or what came before its end. What a parent writes later is not waited for."""
    line = b""
    while not line.endswith(b"\n") and (more := os.read(0, 4096)):
        line += more
    return line
