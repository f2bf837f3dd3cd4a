"""How an agent starts the workers that it was assigned, and what it reports when it can't."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.agent.assigned_workers import AssignedWorkers
from worker.agent.supervisor import CRASH_LOOP_ENDS, Supervisor
from worker.wire.curve import Endpoint, new_keys
from worker.wire.messages import Assignment, UserShare, Work, WorkerEnded, WorkerRecovered

ASSIGNMENT = Assignment(
    Work(run="r", users={"User": UserShare(weight=1)}, host="http://127.0.0.1:9", seed=1, stop_timeout_s=1.0),
    number=0,
    nodes=1,
    workers=1,
    locustfile="raise SystemExit(0)\n",
)


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    kept = Supervisor()
    yield kept
    kept.stop(0.1)


@pytest.fixture
def workers(supervisor: Supervisor) -> Iterator[AssignedWorkers]:
    assigned = AssignedWorkers("pi1", Endpoint("tcp://127.0.0.1:9", new_keys().public), new_keys(), supervisor)
    yield assigned
    assigned.stop()


def test_a_node_without_room_for_what_its_workers_need_says_so_and_tries_again(
    workers: AssignedWorkers, supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent without room for its workers' files lives on; after a few tries it reports crashing workers, until there is room."""
    folder = tmp_path / "tmp"
    monkeypatch.setattr(tempfile, "tempdir", str(folder))  # is not there: an OSError, as of a file system that is full
    workers.assign(ASSIGNMENT)
    now_s, said = 100.0, []
    assert workers.wait_s(now_s) == 0
    for _ in range(CRASH_LOOP_ENDS):
        said += workers.poll(now_s)
        now_s += workers.wait_s(now_s)
    assert [type(message) for message in said] == [WorkerEnded] * CRASH_LOOP_ENDS
    assert [message.crashing for message in said if isinstance(message, WorkerEnded)] == [False, False, True]
    assert all("the node can't keep what its workers need" in message.how for message in said)
    assert not supervisor.pids

    folder.mkdir()
    assert [type(message) for message in workers.poll(now_s)] == [WorkerRecovered]
    assert len(supervisor.pids) == 1


def test_workers_of_a_run_that_is_over_are_not_tried_again(workers: AssignedWorkers, supervisor: Supervisor) -> None:
    """Workers of a run that ended before there was room for them are not tried again."""
    workers.assign(ASSIGNMENT)
    workers.stop()
    assert list(workers.poll(100.0)) == []
    assert not supervisor.pids
