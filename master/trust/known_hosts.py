"""The host keys that this project trusts: a file of its own, in OpenSSH's form, changed by `fab enroll` and `fab revoke` alone."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from paramiko.hostkeys import HostKeyEntry

from master.errors import InputError
from worker.atomic_write import atomic_write

_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")


@dataclass(frozen=True)
class HostKey:
    """A host's public key."""

    kind: str
    """Such as `ssh-ed25519`."""
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` shows it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")


def known_hosts_name(address: str, port: int) -> str:
    """The name of a host in a known_hosts file: its address, or `[address]:port` for another port than 22. Pure."""
    return address if port == 22 else f"[{address}]:{port}"


class KnownHosts:
    """One key for each host, by its known_hosts_name. Hashed names, patterns and certificates are refused: this file is ours."""

    def __init__(self, file: Path, keys: Mapping[str, HostKey]) -> None:
        self.file = file
        self._keys = dict(keys)

    def at(self, where: str) -> HostKey | None:
        """The key that the host at a `known_hosts_name` must show; None when it was never enrolled."""
        return self._keys.get(where)

    def changed(self, added: Mapping[str, HostKey], removed: Iterable[str] = ()) -> KnownHosts:
        """Another one, with `added` in place of what was there, and without `removed`, both by place."""
        keys = {**self._keys, **added}
        for name in removed:
            keys.pop(name, None)
        return KnownHosts(self.file, keys)

    def write(self) -> None:
        """Put it in place of the file, at once and whole."""
        lines = [
            f"{name} {key.kind} {base64.b64encode(key.blob).decode()}\n" for name, key in sorted(self._keys.items())
        ]
        atomic_write(self.file, "".join(lines).encode())


def read_known_hosts(file: Path) -> KnownHosts:
    """Read `file`; no file is no keys. Raises InputError with the line that is wrong."""
    keys: dict[str, HostKey] = {}
    try:
        text = file.read_text("utf-8")
    except FileNotFoundError:
        text = ""
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"can't be read: {error}", file=file, hint="restore it, or remove it and enroll anew"
        ) from None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _parse_line(line)
        if found is None:
            raise InputError(
                "is no line of one host and its key", file=file, line=number, hint="remove it, and run: fab enroll"
            )
        name, key = found
        keys[name] = key
    return KnownHosts(file, keys)


def _parse_line(line: str) -> tuple[str, HostKey] | None:
    """The known_hosts_name and the key of a line; None for what is not one host's plain name and its key.

    Paramiko passes over what it does not know, takes a marker (`@revoked`) or a pattern for a name, and fills a key that was
    cut with zeros: here these are refused.
    """
    fields = line.split()
    try:
        entry = HostKeyEntry.from_line(" ".join(fields))
    except Exception:  # noqa: BLE001  # its parsers of keys raise whatever comes, struct.error among it
        return None
    if entry is None or fields[2] != entry.key.get_base64():
        return None
    name, kind = fields[0], entry.key.get_name()
    return None if kind not in _TYPES or set(name) & set("*?!,|@") else (name, HostKey(kind, entry.key.asbytes()))
