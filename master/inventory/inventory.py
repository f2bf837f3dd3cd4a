"""The inventory that Ansible, the deployment and the runs share: which hosts there are, and what is known of each.

Where ansible-core is installed it is asked, so that both mean the same; otherwise the file is read by ourselves, alike or not
at all (plain.py says what is refused).
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Literal, Protocol

from master.errors import InputError
from master.inventory import ansible_core
from master.inventory.host import Host, Named, hosts_of
from master.inventory.patterns import PatternError
from master.inventory.yaml_inventory import PlainSource, check_kind

GROUP = "workers"
"""The group of an inventory whose hosts are nodes, for Ansible, the deployment and the runs."""
Reader = Literal["auto", "ansible", "plain"]
_HINT = "name an inventory, such as ansible/inventory/lab.yml"
_SHOWN = 80
_MAX_SHOWN = 1000
_MAX_BYTES = 32 << 20
"""Of one file; an inventory of 10 000 hosts has about 1 MB."""
_MAX_FILES = 10_000


class _Source(Protocol):
    def select(self, pattern: str) -> list[Named]: ...


class Inventory:
    """The hosts of one inventory file."""

    def __init__(self, file: Path, source: _Source) -> None:
        self.file = file
        self._source = source

    def hosts(self, pattern: str = "all", *, limit: str | None = None) -> tuple[Host, ...]:
        """The hosts that `pattern` means, of those `limit` too where it is not None, in the order of the file.

        Only these are checked, so that other machines of the inventory may be named as they like. Raises InputError: with all
        their faults, or because a pattern names something that is not there or means no host at all.
        """
        chosen = self._select(pattern)
        if limit is not None:
            within = {named.name for named in self._select(limit)}
            chosen = [named for named in chosen if named.name in within]
        if not chosen:
            shown = repr(pattern) if limit is None else f"{pattern!r} limited to {limit[:_SHOWN]!r}"
            raise InputError(f"{shown} means no host", file=self.file, hint="name a group or a host of the inventory")
        return hosts_of(chosen)

    def _select(self, pattern: str) -> list[Named]:
        try:
            return self._source.select(pattern)
        except PatternError as error:
            raise InputError(
                f"pattern {error}", file=self.file, hint="correct the pattern; nothing was started"
            ) from None


def read_inventory(file: Path, *, reader: Reader = "auto") -> Inventory:
    """Read the inventory `file`. `reader` forces one of both ways to read it. Raises InputError."""
    _check_readable(file)
    if reader == "plain" or (reader == "auto" and not ansible_core.is_installed()):
        return Inventory(file, PlainSource(file))
    try:
        return Inventory(file, ansible_core.AnsibleSource(file))
    except InputError as error:
        try:
            check_kind(file)
        except InputError:
            raise error from None
        # Ansible says that it can't; our own reader often says where.
        PlainSource(file)
        raise


def _check_readable(file: Path) -> None:
    """Refuse what reading would not end with, or not begin: no file, a pipe, a device, a file of /proc. Raises InputError."""
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
    """Raises InputError for what is no file of text, OSError where it can't be read."""
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
