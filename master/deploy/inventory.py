"""The inventory that Ansible, the deployment and the runs share: which hosts there are, and what is known of each.

Where ansible-core is installed it is asked, so that both mean the same; otherwise the file is read by ourselves, alike or not
at all (plain.py says what is refused).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

from master.deploy import ansible_core
from master.deploy.host import Host, Named, hosts_of
from master.deploy.patterns import PatternError
from master.deploy.plain import PlainSource
from master.errors import InputError

GROUP = "workers"
"""The group of an inventory whose hosts are nodes, for Ansible, the deployment and the runs."""
Reader = Literal["auto", "ansible", "plain"]


class _Source(Protocol):
    def select(self, pattern: str) -> list[Named]: ...


class Inventory:
    """The hosts of one inventory file."""

    def __init__(self, file: Path, source: _Source) -> None:
        self.file = file
        self._source = source

    def hosts(self, pattern: str = "all", *, limit: str = "") -> tuple[Host, ...]:
        """The hosts that `pattern` means, of those `limit` too where it is given, in the order of the file.

        Only these are checked, so that other machines of the inventory may be named as they like. Raises InputError: with all
        their faults, or because a pattern names something that is not there or means no host at all.
        """
        chosen = self._select(pattern)
        if limit:
            within = {named.name for named in self._select(limit)}
            chosen = [named for named in chosen if named.name in within]
        if not chosen:
            shown = f"{pattern!r} limited to {limit!r}" if limit else repr(pattern)
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
    if not file.exists():
        raise InputError("no such file", file=file, hint="name an inventory, such as ansible/inventory/lab.yml")
    if reader == "plain" or (reader == "auto" and not ansible_core.is_installed()):
        return Inventory(file, PlainSource(file))
    try:
        return Inventory(file, ansible_core.AnsibleSource(file))
    except InputError:
        # Ansible says that it can't; our own reader often says where.
        PlainSource(file)
        raise
