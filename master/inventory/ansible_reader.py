"""Reads an inventory through ansible-core: whatever Ansible reads, templates and plugins included.

ansible-core is imported only when an inventory is read: that takes about 0.4 s.
"""

from __future__ import annotations

import contextlib
import fnmatch
import importlib.util
import io
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from master.errors import InputError
from master.inventory.ansible_variables import RESTRICTED
from master.inventory.host import KNOWN_VARIABLES, HostEntry, Variable
from master.inventory.host_pattern import PatternError, check_pattern
from master.inventory.host_range import check_range

# Templates are filled in in the variables that are read here; all others are handed on as they are written.
_OURS = "piswarm_"
_ALL = "all"
_CORRECT = "correct the inventory; nothing was started"
_SHOWN = 80
_MAX_WORDS = 600
_YAML = (".yml", ".yaml", ".json")
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

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_WARNING = re.compile(r"^\[WARNING\]: ", re.MULTILINE)
_FAILED = re.compile(r"Failed to parse inventory with '(\w+)' plugin: (.*)")
_ORIGIN = re.compile(r"Origin: (/.*):(\d+):\d+")
_CLASS = re.compile(r"<class '[\w.]*\._?AnsibleTagged(\w+)'>")
_NOT_MINE = ("no root 'plugin' key found", "Plugin configuration YAML file")
"""Reasons of a plugin of Ansible's that a file is another plugin's to read."""
_IGNORED = ("Skipping ", "Found duplicate mapping key", "Found both group and host with same name")
"""Warnings of Ansible's that it ignores a part of the inventory, or takes a name for two things."""


def is_installed() -> bool:
    """Whether this Python has ansible-core."""
    spec = importlib.util.find_spec("ansible")
    return spec is not None and spec.origin is not None  # a mere directory of that name, such as ours, has no origin


def _check_ranges() -> None:
    """Have Ansible call check_range before it makes a name for each host of a range, and name the range that is wrong."""
    from ansible._internal._datatag._tags import Origin  # noqa: PLC0415
    from ansible.errors import AnsibleError  # noqa: PLC0415
    from ansible.plugins import inventory  # noqa: PLC0415

    unchecked = inventory.expand_hostname_range
    if getattr(unchecked, "is_checked", False):
        return

    def checked(line: str | None = None) -> list[str]:
        written = line or ""
        try:
            check_range(written)
        except ValueError as error:
            raise AnsibleError(f"{written[:_SHOWN]}: {error}", obj=line) from None
        try:
            names: list[str] = unchecked(line)
        except AnsibleError as error:
            reason = str(error) if written in str(error) else f"{written[:_SHOWN]}: {error}"
            raise AnsibleError(reason, obj=line) from None
        except ValueError:
            raise AnsibleError(f"{written[:_SHOWN]} is no range: [begin:end] or [begin:end:step]", obj=line) from None
        origin = Origin.get_tag(line)
        return [origin.tag(name) for name in names] if origin else names

    checked.is_checked = True  # type: ignore[attr-defined]
    inventory.expand_hostname_range = checked


class AnsibleInventory:
    """An inventory as Ansible reads it, with the settings that Ansible finds (ansible.cfg, ANSIBLE_…)."""

    def __init__(self, file: Path) -> None:
        """Read `file`. Raises InputError where no plugin of Ansible can, or where Ansible would ignore a part of it."""
        from ansible.inventory.manager import InventoryManager  # noqa: PLC0415
        from ansible.parsing.dataloader import DataLoader  # noqa: PLC0415
        from ansible.vars.manager import VariableManager  # noqa: PLC0415

        from ansible import constants  # noqa: PLC0415

        self._file = file
        loader = DataLoader()
        # group_vars beside the working directory are a playbook's, not this inventory's.
        loader.set_basedir(str(file.parent.resolve()))
        # Otherwise what nothing can read is a warning, and an inventory without hosts.
        constants.INVENTORY_ANY_UNPARSED_IS_FAILED = True
        _check_ranges()
        with _checked_warnings(file) as warnings:
            try:
                self._manager = InventoryManager(loader=loader, sources=[str(file)])
                self._variables = VariableManager(loader=loader, inventory=self._manager)
            except Exception as error:  # noqa: BLE001  # whatever it stumbles over is in the file
                raise _unreadable(file, _split_warnings(warnings.getvalue()), error) from None
        if not self._manager.hosts:
            raise InputError("holds no host", file=file, hint=_CORRECT)
        self._loader = loader
        self._magic = _MAGIC | self._variables.get_vars(include_hostvars=False).keys()

    def select(self, pattern: str) -> list[HostEntry]:
        """The hosts that `pattern` means, in the order of the file. Raises PatternError, and InputError for their variables."""
        from ansible.inventory.manager import split_host_pattern  # noqa: PLC0415

        check_pattern(pattern)
        manager = self._manager
        try:
            for term in split_host_pattern(pattern):
                bare = term.lstrip("&!")
                if not self._matches(bare):
                    raise PatternError(f"{bare[:_SHOWN]!r} is no host and no group")  # noqa: TRY301
            chosen = {host.name for host in manager.get_hosts(pattern) if not host.implicit}
        except PatternError:
            raise
        except Exception as error:  # noqa: BLE001  # an IndexError, say, for a subscript beyond the end
            raise PatternError(f"{pattern[:_SHOWN]!r}: {_one_line(error)}") from None
        with _checked_warnings(self._file):  # files of variables are read only now
            return [self._entry(host) for name, host in manager.hosts.items() if name in chosen]

    def _matches(self, term: str) -> bool:
        """Whether there is a group or a host for `term`. Ansible ignores a term without; misspelt, `!rack_a` would exclude none."""
        if any(fnmatch.fnmatchcase(group, term) for group in self._manager.groups):
            return True
        return any(not host.implicit for host in self._manager.get_hosts(term))

    def _entry(self, host: Any) -> HostEntry:
        try:
            values = self._variables.get_vars(host=host, include_hostvars=False)
            variables = {name: self._variable(value) for name, value in values.items() if name not in self._magic}
            variables |= self._templates(values)
        except Exception as error:  # noqa: BLE001  # a template can raise anything
            file, line = _origin_of(error)
            text = f"{host.name}: Ansible can't tell its variables: {_one_line(error)}"
            raise InputError(text, file=file or self._file, line=line, hint=_CORRECT) from None
        groups = tuple(str(group.name) for group in host.get_groups() if group.name != _ALL)
        file, line = _origin(host.name)
        plain = {str(name): variable for name, variable in variables.items()}
        return HostEntry(str(_plain(host.name)), groups, plain, file or self._file, line)

    def _templates(self, values: Mapping[str, Any]) -> dict[str, Variable]:
        """The variables that are read here, with their templates filled in."""
        from ansible.template import Templar  # noqa: PLC0415

        wanted = [name for name in values if name in KNOWN_VARIABLES or name in RESTRICTED or name.startswith(_OURS)]
        wanted = [name for name in wanted if isinstance(values[name], str) and "{" in values[name]]
        if not wanted:
            return {}
        templar = Templar(loader=self._loader, variables=values)
        return {name: self._variable(templar.template(values[name]), values[name]) for name in wanted}

    def _variable(self, value: Any, written: Any = None) -> Variable:
        file, line = _origin(value if written is None else written)
        return Variable(_plain(value), file or self._file, line)


def _split_warnings(printed: str) -> list[str]:
    """Each warning in what Ansible printed, with its details, without the colours of a terminal."""
    return _WARNING.split(_COLOUR.sub("", printed))[1:]


def _unreadable(file: Path, warnings: Sequence[str], error: Exception) -> InputError:
    """The reasons of Ansible's plugins, without those that say that a file is for another plugin."""
    failed = [found.groups() for found in map(_FAILED.match, warnings) if found]
    reasons = [reason for plugin, reason in failed if not (plugin == "ini" and file.suffix in _YAML)]
    reasons = [reason for reason in reasons if not reason.startswith(_NOT_MINE)]
    text = "; ".join(dict.fromkeys(reasons))
    place, line = _place(file, [*warnings, str(error)])
    return InputError(f"Ansible can't read it: {_one_line(text or error)}", file=place, line=line, hint=_CORRECT)


@contextlib.contextmanager
def _checked_warnings(file: Path) -> Iterator[io.StringIO]:
    """Catch what Ansible writes to stderr. Raises InputError for a warning that it ignores a part of `file`; writes the others."""
    with contextlib.redirect_stderr(io.StringIO()) as written:
        yield written
    for warning in _split_warnings(written.getvalue()):
        if warning.startswith(_IGNORED):
            place, line = _place(file, [warning])
            first = _one_line(warning.splitlines()[0])
            raise InputError(f"Ansible warns: {first}", file=place, line=line, hint=_CORRECT)
    sys.stderr.write(written.getvalue())


def _place(file: Path, texts: Sequence[str]) -> tuple[Path, int | None]:
    """The first file and line that Ansible names in `texts`; `file` without a line where it names none."""
    found = next(filter(None, map(_ORIGIN.search, texts)), None)
    return (Path(found[1]), int(found[2])) if found else (file, None)


def _one_line(error: Exception | str) -> str:
    """Ansible's message in one line of bounded length."""
    text = " ".join(_CLASS.sub(r"\1", str(error)).split()) or type(error).__name__
    return text if len(text) <= _MAX_WORDS else f"{text[:_MAX_WORDS]} …"


def _origin(value: Any) -> tuple[Path | None, int | None]:
    """Where Ansible read `value`, as far as it says."""
    from ansible._internal._datatag._tags import Origin  # noqa: PLC0415

    origin = value if isinstance(value, Origin) else Origin.get_tag(value)
    if origin is None or not origin.path:
        return None, None
    return Path(origin.path), origin.line_num


def _origin_of(error: BaseException | None) -> tuple[Path | None, int | None]:
    """Where Ansible stumbled, by `error` or those that it came from."""
    while error is not None:
        file, line = _origin(getattr(error, "obj", None))
        if file is not None:
            return file, line
        error = error.__cause__ or error.__context__
    return None, None


def _plain(value: Any) -> object:
    """Ansible's tagged values as Python's own."""
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return "".join(value)  # str() would give a tagged one back
    if isinstance(value, int | float):
        return int(value) if isinstance(value, int) else float(value)
    return value
