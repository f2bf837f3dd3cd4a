"""The inventory that Ansible, the deployment and the runs share: its hosts, and what is known of each.

Always read by ansible-core, so that a pattern or a variable means the same to all three.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from master.errors import InputError
from master.inventory import ansible_reader
from master.inventory.host import Host, HostEntry, parse_hosts
from master.inventory.host_pattern import PatternError

GROUP = "workers"
"""Name of the group whose hosts are nodes, for Ansible, the deployment and the runs."""
_HINT = "name an inventory of your own; ansible/inventory/example.yml is one to copy"
_SHOWN = 80
_MAX_SHOWN = 1000
_MAX_BYTES = 32 << 20
"""Size limit of one file; an inventory of 10 000 hosts has about 1 MB."""
_MAX_FILES = 10_000


class Inventory:
    """The hosts of one inventory file."""

    def __init__(self, file: Path, reader: ansible_reader.AnsibleInventory) -> None:
        self.file = file
        self._reader = reader

    def hosts(self, pattern: str = "all", *, limit: str | None = None) -> tuple[Host, ...]:
        """Return the hosts that `pattern` and, unless None, `limit` mean, in the order of the file.

        Only these are validated, so that other machines of the inventory may have any names. Raises InputError with all their
        faults, for a pattern that names something unknown, and where no host is left.
        """
        chosen = self._select(pattern)
        if limit is not None:
            within = {entry.name for entry in self._select(limit)}
            chosen = [entry for entry in chosen if entry.name in within]
        if not chosen:
            shown = repr(pattern) if limit is None else f"{pattern!r} limited to {limit[:_SHOWN]!r}"
            raise InputError(f"{shown} means no host", file=self.file, hint="name a group or a host of the inventory")
        return parse_hosts(chosen)

    def _select(self, pattern: str) -> list[HostEntry]:
        try:
            return self._reader.select(pattern)
        except PatternError as error:
            raise InputError(
                f"pattern {error}", file=self.file, hint="correct the pattern; nothing was started"
            ) from None


def read_inventory(file: Path) -> Inventory:
    """Read the inventory `file`. Raises InputError, where ansible-core is not installed too."""
    _check_readable(file)
    if not ansible_reader.is_installed():
        raise InputError(
            "an inventory is read by ansible-core, which is not installed",
            file=file,
            hint="install piswarm[controller], or ansible-core itself: pip install ansible-core",
        )
    return Inventory(file, ansible_reader.AnsibleInventory(file))


def _check_readable(file: Path) -> None:
    """Raise InputError for what can't be read, or not to an end: no file, a pipe, a device, a file of /proc."""
    try:
        _check_file(file)
        with_variables = [file.parent / name for name in ("group_vars", "host_vars")]
        directories = [found for found in [file, *with_variables] if found.is_dir()]
        beside = (found for directory in directories for found in directory.rglob("*"))
        for number, found in enumerate(beside):
            if number >= _MAX_FILES:
                raise InputError(f"has more than {_MAX_FILES} files in and beside it", file=file, hint=_HINT)
            if not found.name.startswith(".") and not found.name.endswith("~"):  # an editor's, which nobody reads
                _check_file(found)
    except OSError as error:
        shown = file if len(str(file)) < _MAX_SHOWN else Path(f"{str(file)[:_SHOWN]}…")
        reason = "no such file" if isinstance(error, FileNotFoundError) else f"can't be read: {error.strerror}"
        raise InputError(reason, file=shown, hint=_HINT) from None


def _check_file(file: Path) -> None:
    """Raise InputError for what is no regular file or too large, OSError where it can't be read."""
    status = file.stat()
    if stat.S_ISDIR(status.st_mode):
        return
    if not stat.S_ISREG(status.st_mode):
        raise InputError("is a pipe, a socket or a device, where a file is needed", file=file, hint=_HINT)
    if status.st_size > _MAX_BYTES:
        raise InputError(f"has {status.st_size >> 20} MB; {_MAX_BYTES >> 20} are read", file=file, hint=_HINT)
    # Some files of /proc have nothing to read until something happens.
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.read(descriptor, 1)
    finally:
        os.close(descriptor)
