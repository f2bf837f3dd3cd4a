"""Keys of a scenario that Locust's users know from its command line, and what a locustfile's classes say themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from master.errors import InputError
from master.scenario import Overrides, Scenario, load_scenario
from master.scenario.load_stages import find_mix_fault
from worker.wire.work import UserShare

LOAD = "load: [{users: 10, spawn_rate: 1, hold: 5s}]\nlocustfile: own.py\n"
USERS = "target: http://a.test\nusers: {A: 1}\n"


def read(folder: Path, text: str, known: str = "AB", **facts: Any) -> Scenario:
    (folder / "own.py").touch()
    file = folder / "s.yml"
    file.write_text(LOAD + text, encoding="utf-8")
    return load_scenario(file, known, Overrides(), **facts)


def again(folder: Path, scenario: Scenario, **facts: Any) -> Scenario:
    file = folder / "again.yml"
    file.write_text(scenario.to_yaml(), encoding="utf-8")
    return load_scenario(file, "AB", Overrides(), **facts)


def test_all_keys_survive_writing_and_reading(tmp_path: Path) -> None:
    """Tags, arguments, names of variables and users of each node are read, and written to the run's scenario.yml as they are."""
    scenario = read(
        tmp_path,
        "target: http://a.test\nusers: {A: '= 1 per node', B: 3}\ntags: [good, better]\nexclude_tags: []\n"
        "arguments: {--tenant: acme, max-depth: 3, fast: true, shop: [a, b]}\nenvironment: [TOKEN, OTHER, TOKEN]\n",
    )
    assert scenario.users == {"A": UserShare(per_node=1), "B": UserShare(weight=3)}
    assert (scenario.tags, scenario.exclude_tags) == (("good", "better"), ())
    assert scenario.arguments == {"tenant": "acme", "max_depth": "3", "fast": True, "shop": ["a", "b"]}
    assert scenario.environment == ("TOKEN", "OTHER")
    assert again(tmp_path, scenario) == scenario


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tags: good\n", "tags"),
        ("tags: ['']\n", "is no tag"),
        ("arguments: [tenant]\n", "is no mapping of the locustfile's own options"),
        ("arguments: {tenant: {a: 1}}\n", "is no value of an option"),
        ("arguments: {a-b: 1, a_b: 2}\n", "'a_b' is given twice"),
        ("arguments: {'--': 1}\n", "is no name of an option"),
        ("environment: [TOKEN=x]\n", "is no name of an environment variable"),
        ("environment: [PATH]\n", "PATH: nodes have their own"),
        ("environment: [LD_PRELOAD]\n", "LD_PRELOAD: nodes have their own"),
    ],
)
def test_what_can_not_be_meant_is_refused(tmp_path: Path, text: str, says: str) -> None:
    """Values that no command line could have given are refused with their place."""
    with pytest.raises(InputError) as caught:
        read(tmp_path, USERS + text)
    assert says in str(caught.value)


def test_keys_for_a_locustfile_are_refused_without_one(tmp_path: Path) -> None:
    """Tags and the like choose nothing of the users that are shipped, so that a scenario without a locustfile can't have them."""
    file = tmp_path / "s.yml"
    file.write_text(USERS + "tags: [a]\nload: [{users: 1, spawn_rate: 1, hold: 5s}]\n", encoding="utf-8")
    with pytest.raises(InputError, match="tags: is for a locustfile"):
        load_scenario(file, "A")


def test_without_users_all_classes_run_in_their_own_shares(tmp_path: Path) -> None:
    """A scenario without users has all classes of its locustfile, by their own weights and fixed counts, but those with neither."""
    shares = {"A": UserShare(weight=9), "B": UserShare(fixed_count=2), "C": UserShare()}
    scenario = read(tmp_path, "target: http://a.test\n", "ABC", own_shares=shares)
    assert scenario.users == {"A": UserShare(weight=9), "B": UserShare(fixed_count=2)}
    assert again(tmp_path, scenario) == scenario
    with pytest.raises(InputError, match="no user class with a weight"):
        read(tmp_path, "target: http://a.test\n", own_shares={"C": UserShare()})


def test_without_a_target_each_class_has_its_own_host(tmp_path: Path) -> None:
    """Classes with several hosts each make their load there, unless a target is given, as with Locust; one without is named."""
    hosts = {"A": "http://a.test", "B": "http://b.test:81"}
    users = "users: {A: 1, B: 1}\n"
    scenario = read(tmp_path, users, hosts=hosts)
    assert (scenario.targets, scenario.hosts) == (["http://a.test", "http://b.test:81"], hosts)
    assert again(tmp_path, scenario, hosts=hosts) == scenario
    given = read(tmp_path, users + "target: http://c.test\n", hosts=hosts)
    assert (given.targets, given.hosts) == (["http://c.test"], {})
    with pytest.raises(InputError, match="C has no host"):
        read(tmp_path, "users: {A: 1, B: 1, C: 1}\n", "ABC", hosts=hosts)


@pytest.mark.parametrize(
    ("share", "peak", "fault"),
    [
        (UserShare(per_node=1), 4, None),
        (UserShare(per_node=1), 3, "add up to 4, more than"),
        (UserShare(per_node=1), 5, "so 5 users are never reached"),
        (UserShare(per_worker=2), 7, "add up to 8, more than"),
        (UserShare(per_worker=1), 16, None),  # nobody knows yet how many workers there will be
    ],
)
def test_users_of_each_node_are_counted_for_the_nodes_expected(share: UserShare, peak: int, fault: str | None) -> None:
    """Users of each node have to fit into the largest stage for as many nodes as are expected, those of each worker for one each."""
    found = find_mix_fault({"A": share}, peak, nodes=4)
    assert (found is None) == (fault is None)
    assert fault is None or fault in str(found)
