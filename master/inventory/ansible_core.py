"""Reads an inventory through ansible-core: whatever Ansible reads, templates, vaults and plugins included."""

from __future__ import annotations

import contextlib
import fnmatch
import importlib.util
import io
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from master.errors import InputError
from master.inventory.ansible_variables import RESTRICTED
from master.inventory.host import UNDERSTOOD, Named
from master.inventory.patterns import PatternError, check
from master.inventory.ranges import check_size
from master.inventory.tree import ALL, Found

# What says how a host is reached is taken from its templates; what else it has is handed on as it is written.
_OURS = "piswarm_"
_CORRECT = "correct the inventory; nothing was started"
_SHOWN = 80
_MAX_WORDS = 600
_WARNING = "[WARNING]: "
_MAGIC = frozenset(
    {
        "ansible_facts",
        "group_names",
        "inventory_dir",
        "inventory_file",
        "inventory_hostname",
        "inventory_hostname_short",
    }
)


def is_installed() -> bool:
    """Whether this Python has ansible-core."""
    spec = importlib.util.find_spec("ansible")
    return spec is not None and spec.origin is not None  # a mere directory of that name, such as ours, has no origin


def _bound_ranges() -> None:
    """Have Ansible refuse a range of more hosts than LARGEST_RANGE, before it makes a name for each of them."""
    from ansible.errors import AnsibleError  # noqa: PLC0415
    from ansible.plugins import inventory  # noqa: PLC0415

    unbounded = inventory.expand_hostname_range
    if getattr(unbounded, "is_bounded", False):
        return

    def bounded(line: str | None = None) -> list[str]:
        try:
            check_size(line or "")
        except ValueError as error:
            raise AnsibleError(f"{(line or '')[:_SHOWN]}: {error}") from None
        found: list[str] = unbounded(line)
        return found

    bounded.is_bounded = True  # type: ignore[attr-defined]
    inventory.expand_hostname_range = bounded


def _words(error: Exception | str) -> str:
    """What Ansible says of its trouble, in one line."""
    said = " ".join(str(error).split()) or type(error).__name__
    return said if len(said) <= _MAX_WORDS else f"{said[:_MAX_WORDS]} …"


class AnsibleSource:
    """An inventory as Ansible reads it, with the settings that Ansible finds (ansible.cfg, ANSIBLE_…)."""

    def __init__(self, file: Path) -> None:
        """Read `file`. Raises InputError when no plugin of Ansible can."""
        from ansible.inventory.manager import InventoryManager  # noqa: PLC0415
        from ansible.parsing.dataloader import DataLoader  # noqa: PLC0415
        from ansible.vars.manager import VariableManager  # noqa: PLC0415

        from ansible import constants  # noqa: PLC0415 # half a second, spared where it is not asked

        self._file = file
        loader = DataLoader()
        # group_vars beside the working directory are a playbook's, not this inventory's.
        loader.set_basedir(str(file.parent.resolve()))
        # Otherwise what nothing can read is a warning, and an inventory without hosts.
        constants.INVENTORY_ANY_UNPARSED_IS_FAILED = True
        _bound_ranges()
        said = io.StringIO()  # its warnings; of what it fails for, it gives one besides
        try:
            with contextlib.redirect_stderr(said):
                self._manager = InventoryManager(loader=loader, sources=[str(file)])
                self._variables = VariableManager(loader=loader, inventory=self._manager)
        except Exception as error:  # noqa: BLE001  # whatever it stumbles over is in the file
            reasons = [
                line.removeprefix(_WARNING) for line in said.getvalue().splitlines() if line.startswith(_WARNING)
            ]
            words = _words("; ".join(reasons) or error)
            raise InputError(f"Ansible can't read it: {words}", file=file, hint=_CORRECT) from None
        sys.stderr.write(said.getvalue())
        self._loader = loader
        self._magic = _MAGIC | self._variables.get_vars(include_hostvars=False).keys()

    def select(self, pattern: str) -> list[Named]:
        """The hosts that `pattern` means, in the order of the file. Raises PatternError, and InputError for their variables."""
        from ansible.inventory.manager import split_host_pattern  # noqa: PLC0415

        check(pattern)
        manager = self._manager
        try:
            for term in split_host_pattern(pattern):
                bare = term.lstrip("&!")
                if not self._means_something(bare):
                    raise PatternError(f"{bare[:_SHOWN]!r} is no host and no group")  # noqa: TRY301
            chosen = {host.name for host in manager.get_hosts(pattern) if not host.implicit}
        except PatternError:
            raise
        except Exception as error:  # noqa: BLE001  # an IndexError, say, for a subscript beyond the end
            raise PatternError(f"{pattern[:_SHOWN]!r}: {_words(error)}") from None
        return [self._named(name, host) for name, host in manager.hosts.items() if name in chosen]

    def _means_something(self, term: str) -> bool:
        if any(fnmatch.fnmatchcase(group, term) for group in self._manager.groups):
            return True
        return any(not host.implicit for host in self._manager.get_hosts(term))

    def _named(self, name: str, host: Any) -> Named:
        try:
            variables = self._variables.get_vars(host=host, include_hostvars=False)
            found = {key: self._found(value) for key, value in variables.items() if key not in self._magic}
            found |= self._templates(variables)
        except Exception as error:  # noqa: BLE001  # a template can raise anything
            text = f"{name}: Ansible can't tell its variables: {_words(error)}"
            raise InputError(text, file=self._file, hint=_CORRECT) from None
        groups = tuple(str(group.name) for group in host.get_groups() if group.name != ALL)
        return Named(str(name), groups, {str(key): at for key, at in found.items()}, self._file)

    def _templates(self, variables: Mapping[str, Any]) -> dict[str, Found]:
        """The variables that are needed, with their templates filled in."""
        from ansible.template import Templar  # noqa: PLC0415

        wanted = [key for key in variables if key in UNDERSTOOD or key in RESTRICTED or key.startswith(_OURS)]
        wanted = [key for key in wanted if isinstance(variables[key], str) and "{" in variables[key]]
        if not wanted:
            return {}
        templar = Templar(loader=self._loader, variables=variables)
        return {key: self._found(templar.template(variables[key]), variables[key]) for key in wanted}

    def _found(self, value: Any, written: Any = None) -> Found:
        file, line = _origin(value if written is None else written)
        return Found(_plain(value), self._file if file is None else file, line)


def _origin(value: Any) -> tuple[Path | None, int | None]:
    """Where Ansible read `value`, as far as it says."""
    try:
        from ansible._internal._datatag._tags import Origin  # noqa: PLC0415 # from 2.19 on
    except ImportError:
        place = getattr(value, "ansible_pos", None)
        return (Path(place[0]), int(place[1])) if place else (None, None)
    origin = Origin.get_tag(value)
    if origin is None or not origin.path:
        return None, None
    return Path(origin.path), origin.line_num


def _plain(value: Any) -> object:
    """Ansible's marked values as Python's own."""
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return "".join(value)  # str() would give a marked one back
    if isinstance(value, int | float):
        return int(value) if isinstance(value, int) else float(value)
    return value
