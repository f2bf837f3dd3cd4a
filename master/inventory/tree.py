"""The groups and hosts of an inventory, and whose variables win. Pure.

A host's variables come from, each over the one before: `all`, its groups (outer before inner; those equally deep by
`ansible_group_priority`, then by name), the group_vars files in the same order, the host's own, its host_vars files. This is
Ansible's default precedence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ALL = "all"
UNGROUPED = "ungrouped"


@dataclass(frozen=True)
class Found:
    """A variable's value and where it was found. No line where the reader does not know it."""

    value: object
    file: Path
    line: int | None = None


Variables = Mapping[str, Found]


@dataclass
class Group:
    """A group as written. `children` and `hosts` are names, in the order in which they were first seen."""

    name: str
    children: dict[str, None] = field(default_factory=dict)
    hosts: dict[str, None] = field(default_factory=dict)
    variables: dict[str, Found] = field(default_factory=dict)
    priority: int = 1


@dataclass
class Member:
    """A host as written."""

    name: str
    file: Path
    line: int
    variables: dict[str, Found] = field(default_factory=dict)


class LoopError(ValueError):
    """A group that is, by way of others, in itself."""


class Tree:
    """All groups and hosts. Fill `groups` and `hosts`, then `close` it, then ask."""

    def __init__(self) -> None:
        self.groups: dict[str, Group] = {ALL: Group(ALL), UNGROUPED: Group(UNGROUPED)}
        self.hosts: dict[str, Member] = {}
        self._depths: dict[str, int] = {}
        self._groups_of: dict[str, tuple[str, ...]] = {}
        self._hosts_in: dict[str, tuple[str, ...]] = {}

    def group(self, name: str) -> Group:
        """The group of that name, new if need be."""
        return self.groups.setdefault(name, Group(name))

    def close(self) -> None:
        """Put what is in no group into `ungrouped`, and every outermost group into `all`. Raises LoopError."""
        inner = {child for group in self.groups.values() for child in group.children}
        self.groups[ALL].children |= {name: None for name in self.groups if name not in inner and name != ALL}
        grouped = {host for name, group in self.groups.items() if name not in (ALL, UNGROUPED) for host in group.hosts}
        self.groups[UNGROUPED].hosts = {host: None for host in self.hosts if host not in grouped}
        self._depths = self._find_depths()
        around: dict[str, set[str]] = {name: set() for name in self.groups}
        for name in sorted(self.groups, key=self._depths.__getitem__):
            for child in self.groups[name].children:
                around[child] |= {name, *around[name]}
        inside: dict[str, dict[str, None]] = {name: {} for name in self.groups}
        groups_of: dict[str, set[str]] = {host: set() for host in self.hosts}
        for name, group in self.groups.items():
            for host in group.hosts:
                groups_of[host] |= {name, *around[name]}
        for host in self.hosts:
            for name in groups_of[host] | {ALL}:
                inside[name][host] = None
            self._groups_of[host] = tuple(sorted(groups_of[host] - {ALL}, key=self._rank))
        self._hosts_in = {name: tuple(hosts) for name, hosts in inside.items()}

    def members(self) -> Mapping[str, tuple[str, ...]]:
        """Each group with the hosts in it and in its children, in the order of the file."""
        return self._hosts_in

    def groups_of(self, host: str) -> tuple[str, ...]:
        """The groups around `host`, outermost first, without `all`."""
        return self._groups_of[host]

    def merge(self, host: str, group_files: Mapping[str, Variables], host_files: Variables) -> dict[str, Found]:
        """The variables of `host`, those of files included: `group_files` by group, `host_files` the host's own."""
        merged: dict[str, Found] = {}
        for layer in self._layers(host, group_files, host_files):
            merged.update(layer)
        return merged

    def _layers(self, host: str, group_files: Mapping[str, Variables], host_files: Variables) -> Iterator[Variables]:
        names = (ALL, *self._groups_of[host])
        yield from (self.groups[name].variables for name in names)
        yield from (group_files[name] for name in names if name in group_files)
        yield self.hosts[host].variables
        yield host_files

    def _rank(self, name: str) -> tuple[int, int, str]:
        return self._depths[name], self.groups[name].priority, name

    def _find_depths(self) -> dict[str, int]:
        """How deep each group is: the longest way from `all`. A group that the walk never finishes is in a loop."""
        waiting = dict.fromkeys(self.groups, 0)
        for child in self._edges():
            waiting[child] += 1
        depths = {name: 0 for name, parents in waiting.items() if parents == 0}
        ready = list(depths)
        while ready:
            name = ready.pop()
            for child in self.groups[name].children:
                depths[child] = max(depths.get(child, 0), depths[name] + 1)
                waiting[child] -= 1
                if waiting[child] == 0:
                    ready.append(child)
        stuck = [name for name, parents in waiting.items() if parents > 0]
        if stuck:
            raise LoopError(f"{', '.join(stuck)}: a group can't be in itself, nor in a group inside of it")
        return depths

    def _edges(self) -> Iterable[str]:
        return (child for group in self.groups.values() for child in group.children)
