"""The state directory of a controller: host keys, allowlist, revocations, its own key pair. Needs no Fabric: runs read it too."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec

from master.errors import InputError
from master.trust.allowlist import load_allowlist
from master.trust.revoked import load_revoked
from worker.wire.curve import Keys, new_keys

SCHEMA = "piswarm/controller/1"


@dataclass(frozen=True)
class StateDirectory:
    """Paths in the state directory of a controller."""

    directory: Path

    @property
    def known_hosts(self) -> Path:
        """The host keys that are trusted."""
        return self.directory / "known_hosts"

    @property
    def allowlist(self) -> Path:
        """The nodes' public keys."""
        return self.directory / "allowlist.json"

    @property
    def revoked(self) -> Path:
        """Whom it lets in no more."""
        return self.directory / "revoked.json"

    @property
    def lock(self) -> Path:
        """Held by whoever changes one of these (master/trust/changes.py)."""
        return self.directory / "lock"

    @property
    def controller(self) -> Path:
        """The controller's own key pair; the only secret here, mode 0600."""
        return self.directory / "controller.json"

    @property
    def cache(self) -> Path:
        """Releases, and what they are made of."""
        return self.directory / "cache"


class _Pair(msgspec.Struct, frozen=True):
    schema: str
    public: str
    secret: str


def read_allowlist(state: Path) -> dict[str, str]:
    """The node of each public key (Z85) that is allowed, by the key. Raises InputError."""
    directory = StateDirectory(state)
    listed, revoked = load_allowlist(directory.allowlist), load_revoked(directory.revoked)
    return {key: node for node, key in listed.nodes.items() if not revoked.problem(node, key)}


def controller_keys(state: Path) -> Keys:
    """The controller's key pair, made when there is none. Raises InputError.

    It is never replaced: every node would need new settings.
    """
    file = StateDirectory(state).controller
    try:
        if not file.exists():
            _make(file)
        found = msgspec.json.decode(file.read_bytes(), type=_Pair)
    except msgspec.MsgspecError:
        # What is there is not shown: it may be most of a key.
        raise InputError("holds no key pair", file=file, hint="restore it, or remove it and deploy anew") from None
    except OSError as error:
        raise InputError(f"can't be read or made: {error.strerror}", file=file) from None
    if found.schema != SCHEMA:
        raise InputError(f"schema {found.schema!r}, where {SCHEMA!r} is known", file=file)
    return Keys(found.public, found.secret)


def _make(file: Path) -> None:
    """Make a key pair; of several who do at once, the first one's counts."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    keys = new_keys()
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(msgspec.json.encode(_Pair(SCHEMA, keys.public, keys.secret)) + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(name, file)
        except FileExistsError:
            return
    finally:
        Path(name).unlink()
