"""The accounts of the live page: a file of names and argon2 hashes, readable by its owner alone."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from master.errors import InputError
from worker.atomic_write import atomic_write

MIN_PASSWORD, MAX_PASSWORD = 10, 1000
MAX_ACCOUNTS = 100
_NAME = re.compile(r"[a-z][a-z0-9._-]{0,31}")


class Accounts:
    """The accounts of one file."""

    def __init__(self, path: Path) -> None:
        """Read them; none where there is no file. Raises InputError for one that others may read, or that is none."""
        self._path = path
        self._hasher = PasswordHasher()  # argon2id, by the parameters of RFC 9106 for little memory
        self._hashes: dict[str, str] = {}
        # Checked in place of the hash of a name that there is not, so that both take the same time.
        self._nobody = self._hasher.hash("nobody has this password")
        try:
            text = path.read_text(encoding="utf-8")
            others = stat.S_IMODE(path.stat().st_mode) & 0o077
        except FileNotFoundError:
            return
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path} can't be read: {error}") from None
        if others:
            raise InputError(f"{path} may be read by others", hint=f"Run: chmod 600 {path}")
        for number, line in enumerate(text.splitlines(), 1):
            name, _, hashed = line.partition(":")
            if not _NAME.fullmatch(name) or not hashed.startswith("$argon2"):
                raise InputError(
                    f"{path}:{number}: not a name and a hash", hint="Make it anew: piswarm serve --set-password NAME"
                )
            self._hashes[name] = hashed

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._hashes)

    def is_right(self, name: str, password: str) -> bool:
        """Whether `password` is that of the account; takes a good part of a second whatever it is."""
        hashed = self._hashes.get(name, self._nobody)
        try:
            return self._hasher.verify(hashed, password[:MAX_PASSWORD]) and name in self._hashes
        except (VerificationError, InvalidHashError):
            return False

    def set_password(self, name: str, password: str) -> None:
        """Make an account, or change its password, in the file. Raises InputError for a name or password that is none."""
        if not _NAME.fullmatch(name):
            raise InputError(
                f"{name!r} is no name of an account: use a to z, 0 to 9 and . _ -, a letter first, 32 at most"
            )
        if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
            raise InputError(f"a password has {MIN_PASSWORD} to {MAX_PASSWORD} characters")
        if name not in self._hashes and len(self._hashes) >= MAX_ACCOUNTS:
            raise InputError(f"{self._path} has {MAX_ACCOUNTS} accounts, which are the most")
        self._hashes[name] = self._hasher.hash(password)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        content = "".join(f"{each}:{hashed}\n" for each, hashed in sorted(self._hashes.items()))
        atomic_write(self._path, content.encode())
