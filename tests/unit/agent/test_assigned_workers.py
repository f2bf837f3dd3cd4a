"""How an agent starts the workers that it was assigned, and what it reports when it can't."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from project_archives import answer, described, make_archive, member

from worker.agent.assigned_workers import AssignedWorkers
from worker.agent.supervisor import CRASH_LOOP_ENDS, Supervisor
from worker.project.cache import ProjectCache
from worker.project.delivery import ASK_AGAIN_S
from worker.wire.curve import Endpoint, new_keys
from worker.wire.messages import ProjectPart, ProjectRequest, WorkerEnded, WorkerRecovered
from worker.wire.work import Assignment, UserShare, Work

ASSIGNMENT = Assignment(
    Work(run="r", users={"User": UserShare(weight=1)}, host="http://127.0.0.1:9", seed=1, stop_timeout_s=1.0),
    number=0,
    nodes=1,
    workers=1,
)


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    kept = Supervisor()
    yield kept
    kept.stop(0.1)


@pytest.fixture
def workers(supervisor: Supervisor, tmp_path: Path) -> Iterator[AssignedWorkers]:
    endpoint = Endpoint("tcp://127.0.0.1:9", new_keys().public)
    assigned = AssignedWorkers("pi1", endpoint, new_keys(), supervisor, ProjectCache(tmp_path / "projects"))
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


def test_workers_start_once_their_project_is_there(
    workers: AssignedWorkers, supervisor: Supervisor, tmp_path: Path
) -> None:
    """A node asks for the project of its assignment, starts its workers when it has it, and removes it after the run."""
    archive = tmp_path / "archive"
    make_archive(archive, member("own.py", b"raise SystemExit(0)\n"))
    work = msgspec.structs.replace(ASSIGNMENT.work, locustfiles=["own.py"])
    assignment = msgspec.structs.replace(ASSIGNMENT, work=work, project=described(archive))
    workers.assign(assignment)
    (request,) = workers.poll(100.0)
    assert isinstance(request, ProjectRequest)
    assert workers.wait_s(100.0) == ASK_AGAIN_S
    assert not supervisor.pids
    workers.receive(answer(archive, request))
    assert workers.wait_s(100.1) == 0
    assert list(workers.poll(100.1)) == [ProjectRequest(request.sha256, described(archive).size)]
    assert len(supervisor.pids) == 1
    (own,) = (tmp_path / "projects").glob("*/project/own.py")
    workers.assign(assignment)  # the same once more changes nothing
    assert own.exists()
    workers.stop()
    assert not own.exists()
    assert list(workers.poll(200.0)) == []


def test_a_project_that_is_not_the_announced_one_is_told_of(workers: AssignedWorkers, tmp_path: Path) -> None:
    """An archive that was changed on the way starts no worker: the controller is told, and it is fetched again later."""
    archive = tmp_path / "archive"
    make_archive(archive, member("own.py", b""))
    project = described(archive)
    workers.assign(msgspec.structs.replace(ASSIGNMENT, project=project))
    (request,) = workers.poll(100.0)
    assert isinstance(request, ProjectRequest)
    workers.receive(ProjectPart(project.sha256, 0, bytes(project.size)))
    *_, told = workers.poll(100.1)
    assert isinstance(told, WorkerEnded)
    assert told.how == "the project of the run can't be used: the archive has not the hash that was announced"
    assert list(workers.poll(100.1)) == []
    assert list(workers.poll(100.1 + workers.wait_s(100.1))) == [request]
