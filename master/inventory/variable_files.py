"""The files of variables beside an inventory: `group_vars/NAME.yml`, `host_vars/NAME.yml`, or a directory of such files.

Found and ordered as Ansible does: NAME without an ending before .yml, .yaml and .json, the first that exists; in a directory,
all files with those endings or none, by name, and those of its directories.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from master.errors import InputError
from master.inventory.tree import Found
from master.yaml_file.document import Document, Place, read_document

ENDINGS = ("", ".yml", ".yaml", ".json")

TEMPLATES = ("{{", "{%", "{#")
_VAULT = b"$ANSIBLE_VAULT"
# Ansible puts values of its own there.
_RESERVED = frozenset({
    "ansible_play_batch", "ansible_play_hosts", "ansible_play_hosts_all", "ansible_playbook_python", "ansible_version",
    "environment", "group_names", "groups", "hostvars", "inventory_dir", "inventory_file", "inventory_hostname",
    "inventory_hostname_short", "omit", "playbook_dir", "role_name", "role_names", "role_path", "vars",
})  # fmt: skip


class VariableFiles:
    """What `group_vars` or `host_vars` beside an inventory say; each name is looked for once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._names = {path.name for path in directory.iterdir()} if directory.is_dir() else set()

    def of(self, name: str) -> Mapping[str, Found]:
        """The variables for the group or host `name`. Raises InputError for what can't be read here."""
        found: dict[str, Found] = {}
        for file in self._files(name):
            found |= read_variables(file)
        return found

    def _files(self, name: str) -> Iterator[Path]:
        first = next((name + ending for ending in ENDINGS if name + ending in self._names), None)
        if first is None:
            return
        path = self._directory / first
        if path.is_dir():
            yield from _below(path)
        else:
            yield path


def _below(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.iterdir(), key=lambda path: path.name):
        if path.name.startswith(".") or path.name.endswith("~"):
            continue
        if path.is_dir() and not path.suffix:
            yield from _below(path)
        elif path.is_file() and path.suffix in ENDINGS:
            yield path


def read_variables(file: Path) -> dict[str, Found]:
    """The variables in `file`. Raises InputError with file and line for what only Ansible itself can read."""
    refuse_vault(file)
    document = read_document(file, lenient=True)
    assert isinstance(document.data, dict)  # whatever the file holds, the top of a Document is a mapping
    found = take_variables(document, (), document.data)
    document.raise_faults()
    return found


def take_variables(document: Document, place: Place, data: Mapping[str, object]) -> dict[str, Found]:
    """The variables in the mapping `data` at `place`; what only Ansible can make sense of is noted as a fault."""
    for name, value in data.items():
        if name in _RESERVED:
            document.fault((*place, name), "is a variable that Ansible sets by itself: choose another name")
        _refuse_templates(document, (*place, name), value)
    return {name: Found(value, document.file, document.line_of((*place, name))) for name, value in data.items()}


def refuse_vault(file: Path) -> None:
    """Raise InputError for a file that Ansible has encrypted. One that can't be read is left to whoever reads it."""
    try:
        with file.open("rb") as stream:
            start = stream.read(len(_VAULT))
    except OSError:
        return
    if start == _VAULT:
        raise InputError(
            "is encrypted by ansible-vault, which can't be read without ansible-core",
            file=file,
            line=1,
            hint="install ansible-core beside piswarm; it is asked where it is there",
        )


def _refuse_templates(document: Document, place: Place, value: object) -> None:
    if isinstance(value, str):
        if any(mark in value for mark in TEMPLATES):
            document.fault(
                place, "is a template, which can't be read without ansible-core: install it, or write the value out"
            )
    elif isinstance(value, dict):
        for key, inner in value.items():
            _refuse_templates(document, (*place, key), inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _refuse_templates(document, (*place, index), inner)
