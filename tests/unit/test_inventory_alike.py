"""Our own reading of an inventory gives what Ansible's InventoryManager and VariableManager give, or refuses."""

from __future__ import annotations

import itertools
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from master.errors import InputError
from master.inventory.patterns import PatternError
from master.inventory.yaml_inventory import PlainSource

pytest.importorskip("ansible.inventory.manager", reason="ansible-core is not installed: nothing to compare with")

from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.manager import VariableManager

EXAMPLES = 120

LEVELS = (("all",), ("workers", "lab"), ("rack_a", "pi-like"), ("rack_b",))
GROUPS = (*itertools.chain(*LEVELS), "ungrouped")
HOSTS = (
    "pi1",
    "pi2",
    "pi[1:3]",
    "pi[01:05:2]",
    "pi[a:c]",
    "node-[1:2]x[0:1]",
    "lone",
    "lone:2022",
    "pi[2:4]:2200",
    "192.0.2.[1:2]",
)
NAMES = ("a", "b", "ansible_port", "piswarm_weight")
TERMS = (
    *GROUPS,
    "pi1",
    "pi2",
    "pi01",
    "pib",
    "lone",
    "node-1x0",
    "pi*",
    "rack_*",
    "*",
    "p?1",
    "pi[!12]",
    "*.2",
    "pi[ab]",
    "l*",
    "no",
)
FILES = (
    "group_vars/all.yml", "group_vars/all", "group_vars/workers.yaml", "group_vars/rack_a/one.yml", "group_vars/rack_a/two",
    "group_vars/lab.json", "group_vars/lab.yml", "group_vars/ungrouped.yml", "host_vars/pi1.yml", "host_vars/pi01/x.yml",
    "host_vars/lone",
)  # fmt: skip


class Maker:
    """Makes inventories by its dice. No two values are alike, so that a value tells where it came from."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self._made = 0

    def inventory(self) -> dict[str, Any]:
        """Groups in groups, some of them written in several places."""
        inventory = self._groups(0, most=4)
        if self._dice.random() < 0.3:
            inventory["ungrouped"] = {"hosts": self._hosts(), "vars": self._variables()}
        return inventory

    def beside(self) -> dict[str, dict[str, Any]]:
        """Files of variables."""
        return {name: self._variables() for name in self._dice.sample(FILES, self._dice.randint(0, 4))}

    def pattern(self) -> str:
        """Up to four terms."""
        terms = [
            self._dice.choice(("", "", "!", "&")) + self._dice.choice(TERMS) for _ in range(self._dice.randint(1, 4))
        ]
        return self._dice.choice((":", ",", ", ")).join(terms)

    def _groups(self, level: int, most: int) -> dict[str, Any]:
        """Groups of that level or deeper: what a group holds is deeper than itself, so that there is no loop."""
        named = [(name, deeper) for deeper in range(level, len(LEVELS)) for name in LEVELS[deeper]]
        chosen = self._dice.sample(named, min(len(named), self._dice.randint(1, most)))
        return {name: self._group(deeper + 1) for name, deeper in chosen}

    def _group(self, level: int) -> dict[str, Any] | None:
        if self._dice.random() < 0.1:
            return None
        sections: list[tuple[str, Any]] = [("vars", self._variables(priority=True)), ("hosts", self._hosts())]
        if level < len(LEVELS):
            sections.append(("children", self._groups(level, most=3)))
        self._dice.shuffle(sections)
        return {key: None if self._dice.random() < 0.1 else data for key, data in sections if self._dice.random() < 0.8}

    def _hosts(self) -> dict[str, Any]:
        chosen = self._dice.sample(HOSTS, self._dice.randint(1, 3))
        return {host: self._variables() if self._dice.random() < 0.3 else None for host in chosen}

    def _variables(self, *, priority: bool = False) -> dict[str, Any]:
        variables = {name: self._value() for name in NAMES if self._dice.random() < 0.4}
        if priority and self._dice.random() < 0.4:
            variables["ansible_group_priority"] = self._dice.randint(0, 3)
        return variables

    def _value(self) -> Any:
        self._made += 1
        kinds = (
            self._made,
            float(self._made),
            str(self._made),
            [self._made, {"k": True}],
            {"k": self._made, "n": None},
        )
        return self._dice.choice(kinds)


Answer = dict[str, tuple[list[str], dict[str, Any]]]


def by_ansible(file: Path, pattern: str) -> Answer:
    """Ansible's own answer, with nothing of ours in between."""
    loader = DataLoader()
    loader.set_basedir(str(file.parent))
    manager = InventoryManager(loader=loader, sources=[str(file)])
    manager.subset(pattern)
    found = {}
    for host in manager.get_hosts("all"):
        merged = VariableManager(loader=loader, inventory=manager).get_vars(host=host, include_hostvars=False)
        around = sorted(str(group.name) for group in host.get_groups() if group.name != "all")
        found[str(host.name)] = (around, {name: merged[name] for name in NAMES if name in merged})
    return found


def by_us(source: PlainSource, pattern: str) -> Answer:
    return {
        named.name: (sorted(named.groups), {name: at.value for name, at in named.variables.items()})
        for named in source.select(pattern)
    }


@dataclass
class Tally:
    """How much of what was generated could be compared."""

    inventories: int = 0
    patterns: int = 0
    hosts: int = 0


def test_read_alike(tmp_path: Path) -> None:
    """The same hosts for the same pattern, each with the same groups and the same variables."""
    tally = Tally()
    for seed in range(EXAMPLES):
        maker = Maker(seed)
        file = write(tmp_path / str(seed), maker.inventory(), maker.beside())
        try:
            source = PlainSource(file)
        except InputError:
            continue
        ours = by_us(source, "all")
        assert ours == by_ansible(file, "all"), file.read_text()
        tally.inventories += 1
        tally.hosts += len(ours)
        for pattern in (maker.pattern() for _ in range(4)):
            try:
                chosen = by_us(source, pattern)
            except PatternError:
                continue
            assert chosen == by_ansible(file, pattern), (pattern, file.read_text())
            tally.patterns += 1
    # A comparison of what is refused, or empty, would say little.
    assert tally.inventories > EXAMPLES / 2
    assert tally.patterns > EXAMPLES
    assert tally.hosts > 5 * tally.inventories


def write(directory: Path, inventory: dict[str, Any], beside: dict[str, Any]) -> Path:
    directory.mkdir()
    file = directory / "fleet.yml"
    file.write_text(json.dumps(inventory))
    for name, content in beside.items():
        path = directory / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content))
    return file


def test_every_order_of_two_racks_gives_the_same(tmp_path: Path) -> None:
    """A host in two groups of unequal depth, whichever is written first."""
    outer = {"lab": {"hosts": {"pi1": None}, "vars": {"a": "lab"}}}
    inner = {
        "workers": {"children": {"rack_a": {"hosts": {"pi1": None}, "vars": {"a": "rack_a"}}}, "vars": {"a": "workers"}}
    }
    for index, order in enumerate(itertools.permutations([outer, inner])):
        file = tmp_path / f"{index}.yml"
        file.write_text(json.dumps({key: value for part in order for key, value in part.items()}))
        assert (
            by_us(PlainSource(file), "all")
            == by_ansible(file, "all")
            == {"pi1": (["lab", "rack_a", "workers"], {"a": "rack_a"})}
        )
