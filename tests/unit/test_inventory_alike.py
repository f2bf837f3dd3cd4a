"""Our own reading of an inventory gives what Ansible's InventoryManager and VariableManager give, or refuses."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from master.deploy.patterns import PatternError
from master.deploy.plain import PlainSource
from master.errors import InputError

pytest.importorskip("ansible.inventory", reason="ansible-core is not installed: nothing to compare with")

from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.manager import VariableManager

EXAMPLES = 150

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
NAMES = ("a", "b", "ansible_host", "ansible_port", "piswarm_weight", "ansible_group_priority")
TERMS = (
    *GROUPS,
    "pi1",
    "pi2",
    "pi01",
    "pib",
    "lone",
    "node-1x0",
    "192.0.2.1",
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

values = st.one_of(
    st.integers(-5, 5), st.booleans(), st.none(), st.sampled_from(["x", "1", "", "on"]), st.just([1, {"k": "v"}])
)


def variables(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    priority = st.integers(0, 3)
    one = st.sampled_from(names).flatmap(
        lambda name: st.tuples(st.just(name), priority if "priority" in name else values)
    )
    return st.lists(one, max_size=4).map(dict)


def group(level: int) -> st.SearchStrategy[dict[str, Any] | None]:
    """A group; those in it are of a deeper level, so that most inventories have no loop."""
    hosts = st.dictionaries(st.sampled_from(HOSTS), st.none() | variables(*NAMES[:-1]), min_size=1, max_size=3)
    sections: dict[str, st.SearchStrategy[Any]] = {
        "hosts": st.one_of(hosts, hosts, hosts, st.none()),
        "vars": st.none() | variables(*NAMES),
    }
    if level < len(LEVELS):
        sections["children"] = st.one_of(groups(level), groups(level), st.none())
    full = st.permutations(list(sections)).flatmap(
        lambda order: st.fixed_dictionaries({key: sections[key] for key in order})
    )
    return st.one_of(full, full, full, st.none())


def groups(level: int) -> st.SearchStrategy[dict[str, Any]]:
    """Some groups of that level or deeper, each name at one level, with what is in them."""
    named = [(name, deeper) for deeper in range(level, len(LEVELS)) for name in LEVELS[deeper]]
    one = st.sampled_from(named).flatmap(lambda named: st.tuples(st.just(named[0]), group(named[1] + 1)))
    return st.lists(one, min_size=1, max_size=3).map(dict)


inventories = groups(0).filter(bool)
files = st.dictionaries(
    st.sampled_from([
        "group_vars/all.yml", "group_vars/all", "group_vars/workers.yaml", "group_vars/rack_a/one.yml", "group_vars/rack_a/two",
        "group_vars/lab.json", "group_vars/lab.yml", "group_vars/ungrouped.yml", "host_vars/pi1.yml", "host_vars/pi01/x.yml",
        "host_vars/lone",
    ]),
    variables(*NAMES[:-1]),
    max_size=4,
)  # fmt: skip
terms = st.lists(
    st.tuples(st.sampled_from(["", "", "!", "&"]), st.sampled_from(TERMS)).map("".join), min_size=1, max_size=4
)
patterns = st.tuples(terms, st.sampled_from([":", ",", ", "])).map(lambda pair: pair[1].join(pair[0]))


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


def test_read_alike(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The same hosts for the same pattern, each with the same groups and the same variables."""
    tally = Tally()

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
    @given(inventory=inventories, beside=files, pattern=patterns)
    def compare(inventory: dict[str, Any], beside: dict[str, Any], pattern: str) -> None:
        file = write(tmp_path_factory.mktemp("inventory"), inventory, beside)
        try:
            source = PlainSource(file)
        except InputError:
            return
        ours = by_us(source, "all")
        assert ours == by_ansible(file, "all")
        tally.inventories += 1
        tally.hosts += len(ours)
        try:
            chosen = by_us(source, pattern)
        except PatternError:
            return
        assert chosen == by_ansible(file, pattern)
        tally.patterns += 1

    compare()
    # A comparison of what is refused, or empty, would say little.
    assert tally.inventories > EXAMPLES / 2
    assert tally.patterns > EXAMPLES / 5
    assert tally.hosts > 2 * tally.inventories


def write(directory: Path, inventory: dict[str, Any], beside: dict[str, Any]) -> Path:
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
