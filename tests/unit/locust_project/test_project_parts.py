"""The controller hands a project's archive out in parts, a bounded number at a time, each node in its turn."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from master.project.archive.parts import LOST_AFTER_S, MAX_TIMES, MAX_UNDER_WAY, ProjectParts
from worker.wire.bounds import PROJECT_PART_BYTES
from worker.wire.messages import ProjectPart, ProjectRequest
from worker.wire.work import Project

SHA = "0a" * 32


class Fleet:
    """Nodes that fetch an archive."""

    def __init__(self, folder: Path, size: int) -> None:
        self.content = os.urandom(size)
        (folder / "archive").write_bytes(self.content)
        self.inbox: list[tuple[str, ProjectPart]] = []
        self.parts = ProjectParts(
            folder / "archive", Project(SHA, size, 0), lambda node, part: self.inbox.append((node, part))
        )
        self.got: dict[str, bytes] = {}

    def ask(self, node: str, now_s: float = 0.0) -> None:
        self.parts.request(node, ProjectRequest(SHA, len(self.got.setdefault(node, b""))), now_s)

    def take(self) -> str | None:
        """The part that was sent first arrives; the node that it is for."""
        if not self.inbox:
            return None
        node, part = self.inbox.pop(0)
        assert len(part.data) <= PROJECT_PART_BYTES
        assert part.offset == len(self.got[node])
        self.got[node] += part.data
        return node


def test_hundreds_of_nodes_get_it_and_few_parts_are_under_way(tmp_path: Path) -> None:
    """500 nodes that ask at once all get the whole archive, and never are more than a few parts under way."""
    fleet = Fleet(tmp_path, 3 * PROJECT_PART_BYTES + 5)
    for number in range(500):
        fleet.ask(f"pi{number}")
    while (node := fleet.take()) is not None:
        assert len(fleet.inbox) <= MAX_UNDER_WAY
        fleet.ask(node)
    assert len(fleet.got) == 500
    assert set(fleet.got.values()) == {fleet.content}
    assert set(fleet.parts.sent.values()) == {len(fleet.content)}


def test_nodes_that_vanish_hold_nobody_up(tmp_path: Path) -> None:
    """Parts of agents that never ask for the next one give their place free after a while."""
    fleet = Fleet(tmp_path, 2 * PROJECT_PART_BYTES)
    for number in range(MAX_UNDER_WAY + 1):
        fleet.ask(f"pi{number}", 0.0)
    assert len(fleet.inbox) == MAX_UNDER_WAY
    fleet.parts.poll(LOST_AFTER_S)
    assert len(fleet.inbox) == MAX_UNDER_WAY
    fleet.parts.poll(LOST_AFTER_S + 0.1)
    assert fleet.inbox[-1][0] == f"pi{MAX_UNDER_WAY}"


def test_what_is_no_part_of_the_project_is_refused(tmp_path: Path) -> None:
    """A request for another archive, or beyond the end, gets nothing, with the reason; nor does anybody after the end."""
    fleet = Fleet(tmp_path, 100)
    for request in (ProjectRequest("ff" * 32, 0), ProjectRequest(SHA, 101)):
        assert fleet.parts.request("pi1", request, 0.0) == "a request for no part of the project"
    assert fleet.inbox == []
    fleet.parts.close()
    fleet.ask("pi1")
    fleet.parts.close()
    assert fleet.inbox == []


def test_a_node_that_asks_again_and_again_is_sent_no_more(tmp_path: Path) -> None:
    """A node is sent the archive a few times, as after kills, and then no more; others are not held up by it."""
    fleet = Fleet(tmp_path, 2 * PROJECT_PART_BYTES)
    told = [fleet.parts.request("pi1", ProjectRequest(SHA, 0), 0.0) for _ in range(100)]
    assert told.count(None) == len(fleet.inbox) == 2 * MAX_TIMES
    assert told[-1] == "a request for the project, again and again"
    fleet.inbox.clear()
    fleet.ask("pi2")
    assert [node for node, _ in fleet.inbox] == ["pi2"]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 400_000)), max_size=200))
def test_whatever_nodes_ask_for_the_memory_is_bounded(
    tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[int, int]]
) -> None:
    """However nodes ask, in any order and again and again, each waits once, and has one part under way."""
    fleet = Fleet(tmp_path_factory.mktemp("fleet"), 300_000)
    for node, offset in asked:
        fleet.parts.request(f"pi{node}", ProjectRequest(SHA, offset), 0.0)
    assert len(fleet.parts._waiting) <= 61
    assert len(fleet.parts._under_way) <= MAX_UNDER_WAY
    fleet.parts.close()
