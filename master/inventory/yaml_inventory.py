"""Reads an Ansible YAML inventory without Ansible: the same hosts, groups and variables, or a refusal with line and reason.

It assumes Ansible's default settings: hashes replace each other, variables have the default precedence. Refused are templates,
vaults, anchors, inventories that are plugins, programs or ini files, and what Ansible itself only warns of: keys that mean nothing, a
name for both a group and a host, a group with no name of its own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from master.errors import InputError
from master.inventory.host import Named
from master.inventory.patterns import select, split
from master.inventory.ranges import expand
from master.inventory.tree import ALL, UNGROUPED, Found, LoopError, Member, Tree
from master.inventory.variable_files import ENDINGS, VariableFiles, refuse_vault, take_variables
from master.yaml_file.document import Document, Place, read_document

_SECTIONS = ("vars", "children", "hosts")
_PRIORITY = "ansible_group_priority"
_GROUP = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_HINT = "install ansible-core beside piswarm, which reads it; or write a YAML inventory"


class PlainSource:
    """An inventory file and the group_vars and host_vars beside it, read by ourselves."""

    def __init__(self, file: Path) -> None:
        """Read `file`. Raises InputError."""
        self._file = file
        check_kind(file)
        document = read_document(file, lenient=True)
        assert isinstance(document.data, dict)  # whatever the file holds, the top of a Document is a mapping
        self._tree = _Reader(document).read(document.data)
        self._group_files = VariableFiles(file.parent / "group_vars")
        self._host_files = VariableFiles(file.parent / "host_vars")

    def select(self, pattern: str) -> list[Named]:
        """The hosts that `pattern` means, in the order of the file. Raises PatternError; InputError for a file of variables."""
        tree = self._tree
        chosen = select(split(pattern), tree.hosts, tree.members())
        return [self._named(name) for name in tree.hosts if name in chosen]

    @cached_property
    def _by_group(self) -> Mapping[str, Mapping[str, Found]]:
        found = {name: self._group_files.of(name) for name in self._tree.groups}
        return {name: variables for name, variables in found.items() if variables}

    def _named(self, name: str) -> Named:
        member = self._tree.hosts[name]
        variables = self._tree.merge(name, self._by_group, self._host_files.of(name))
        return Named(name, self._tree.groups_of(name), variables, member.file, member.line)


def check_kind(file: Path) -> None:
    """Raise InputError for what Ansible would take for something other than a YAML inventory."""
    reason = ""
    if file.is_dir():
        reason = "is a directory; only a single file can be read without ansible-core"
    elif file.is_file():
        with file.open("rb") as stream:
            start = stream.read(4096)
        first = next(
            (line for line in start.splitlines() if line.strip() and not line.lstrip().startswith((b"#", b";"))), b""
        )
        if os.access(file, os.X_OK) or start.startswith(b"#!"):
            reason = "is a program; an inventory that is one can't be read without ansible-core"
        elif file.suffix not in ENDINGS:
            reason = f"ends in {file.suffix}; a YAML inventory ends in .yml or .yaml"
        elif re.match(rb"\s*\[[^\]]*\]\s*(#.*)?$", first):
            reason = "is an ini inventory, which can't be read without ansible-core"
    if reason:
        raise InputError(reason, file=file, line=None if file.is_dir() else 1, hint=_HINT)
    refuse_vault(file)


class _Reader:
    """Fills a Tree from a document. What it finds wrong is noted there, and raised at the end, all at once."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._tree = Tree()
        self._group_lines: dict[str, int] = {}

    def read(self, data: Mapping[str, object]) -> Tree:
        """The tree, closed. Raises InputError with every fault of the file."""
        document, tree = self._document, self._tree
        if not data:
            document.fault((), "holds no group")
        if "plugin" in data:
            document.fault(("plugin",), "configures an inventory plugin, which can't be read without ansible-core")
        else:
            for name, group in data.items():
                self._group(name, group, (name,))
        for name in tree.groups.keys() & tree.hosts.keys():
            document.fault((), f"{name}: both a group and a host have this name", tree.hosts[name].line)
        document.raise_faults()
        try:
            tree.close()
        except LoopError as loop:
            raise InputError(str(loop), file=document.file, line=document.line_of(())) from None
        return tree

    def _group(self, name: str, data: object, place: Place) -> None:
        if not _GROUP.fullmatch(name):
            self._document.fault(place, "no name for a group: letters, digits, '_', '-' and '.'")
            return
        group = self._tree.group(name)
        sections = self._mapping(data, place)
        for key, inner in sections.items():
            inside = (*place, key)
            if key not in _SECTIONS:
                self._document.fault(inside, "means nothing here; a group has vars, children and hosts")
                continue
            entries = self._mapping(inner, inside)
            if key == "vars":
                group.variables |= self._variables(group.name, entries, inside)
            elif key == "children":
                self._children(name, entries, inside)
            else:
                for written, variables in entries.items():
                    self._hosts(name, written, variables, (*inside, written))

    def _children(self, name: str, entries: Mapping[str, object], place: Place) -> None:
        for child, data in entries.items():
            if UNGROUPED in (name, child) and (name, child) != (ALL, UNGROUPED):
                self._document.fault((*place, child), f"{UNGROUPED} can have no children, and be in no group but {ALL}")
                continue
            self._group(child, data, (*place, child))
            self._tree.group(name).children[child] = None

    def _variables(self, group: str, entries: Mapping[str, object], place: Place) -> dict[str, Found]:
        found = take_variables(self._document, place, entries)
        priority = found.pop(_PRIORITY, None)
        if priority is not None:
            if isinstance(priority.value, int) and not isinstance(priority.value, bool):
                self._tree.group(group).priority = priority.value
            else:
                self._document.fault((*place, _PRIORITY), "is not a whole number")
        return found

    def _hosts(self, group: str, written: str, data: object, place: Place) -> None:
        try:
            names, port = expand(written)
        except ValueError as error:
            self._document.fault(place, str(error))
            return
        line = self._document.line_of(place)
        variables = take_variables(self._document, place, self._mapping(data, place))
        hosts = self._tree.hosts
        for name in names:
            if name not in hosts:
                hosts[name] = Member(name, self._document.file, line)
                if port:
                    hosts[name].variables["ansible_port"] = Found(port, self._document.file, line)
            hosts[name].variables |= variables
            self._tree.groups[group].hosts[name] = None

    def _mapping(self, data: object, place: Place) -> Mapping[str, object]:
        if isinstance(data, dict):
            return data
        if data is not None:
            self._document.fault(place, "must be a mapping, or empty")
        return {}
