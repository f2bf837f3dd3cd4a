"""How a project comes to a node: out of the cache, or part by part from the controller; then it is verified and unpacked."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

from worker.project.cache import PartialArchive, ProjectCache
from worker.project.folders import ProjectFolder
from worker.project.unpacking import BadArchiveError, unpack
from worker.wire.messages import ProjectPart, ProjectRequest
from worker.wire.work import Project

ASK_AGAIN_S = 10.0
"""Time without an answer after which a part is asked for again: the controller may be another one by now."""
STEP_S = 0.1
"""The longest time that a step takes, on a disk that does not hang: an agent has other things to do."""


class Delivery:
    """One project on its way to a node's workers. Each `step` does a little of it, and none waits."""

    def __init__(
        self, project: Project, node: str, cache: ProjectCache, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._project = project
        self._node = node
        self._cache = cache
        self._clock = clock
        self._part: PartialArchive | None = None
        self._folder: ProjectFolder | None = None
        self._unpacking: Generator[None] | None = None
        self._ask_at_s = 0.0
        self._opened = False
        self._failed: OSError | None = None
        self.ready = False
        """Whether the project is there to be imported, in `folder`."""

    @property
    def folder(self) -> str:
        """The folder with the project, once it is `ready`."""
        assert self._folder is not None
        return str(self._folder.path)

    def step(self, now_s: float) -> Iterator[ProjectRequest]:
        """Do what can be done now; what to ask the controller for. Raises OSError without room for it, and BadArchiveError."""
        if self._failed is not None:
            failed, self._failed = self._failed, None
            raise failed
        if not self._opened:
            self._cache.open()
            self._opened = True
        if self._unpacking is None and not self.ready:
            yield from self._fetch(now_s)
        if self._unpacking is not None:
            self._unpack()

    def receive(self, part: ProjectPart) -> None:
        """A part has come. One that was not asked for, or comes twice, is left."""
        if (
            self._part is None
            or part.sha256 != self._project.sha256
            or part.offset != self._part.received
            or not part.data
        ):
            return
        try:
            self._part.append(part.data)
        except OSError as error:
            self._failed = error
            self._close_part()
        self._ask_at_s = 0.0

    def wait_s(self, now_s: float) -> float:
        """Seconds until a `step` is due though no part comes."""
        if self.ready:
            return float("inf")
        if self._unpacking is not None or self._failed is not None:
            return 0.0
        return max(0.0, self._ask_at_s - now_s)

    def close(self) -> None:
        """Remove what is unpacked; what was received so far stays for the next try."""
        self._close_part()
        self._stop_unpacking()
        if self._folder is not None:
            self._folder.remove()
            self._folder = None
        self.ready = False

    def _fetch(self, now_s: float) -> Iterator[ProjectRequest]:
        project = self._project
        archive = self._cache.find(project.sha256)
        if archive is not None:
            self._close_part()
            self._begin_unpacking(archive)
            return
        if self._part is None:
            self._part = PartialArchive(
                self._cache, project.sha256, self._node, project.size, project.size + project.unpacked_bytes
            )
        if self._part.complete:
            self._begin_unpacking(self._part.path)
            yield ProjectRequest(project.sha256, project.size)
        elif now_s >= self._ask_at_s:
            self._ask_at_s = now_s + ASK_AGAIN_S
            yield ProjectRequest(project.sha256, self._part.received)

    def _begin_unpacking(self, archive: Path) -> None:
        self._folder = ProjectFolder(self._cache.folder)
        self._unpacking = unpack(archive, self._project.sha256, self._folder.path)

    def _unpack(self) -> None:
        assert self._unpacking is not None
        deadline_s = self._clock() + STEP_S
        try:
            while self._clock() < deadline_s:
                next(self._unpacking)
        except StopIteration:
            self._unpacking = None
            self.ready = True
            if self._part is not None:
                self._part.keep()
                self._part = None
        except BadArchiveError:
            self._drop()
            raise
        except OSError:
            self._stop_unpacking()
            raise

    def _drop(self) -> None:
        """What is there is of no use: the next try fetches it anew."""
        if self._part is not None:
            self._part.drop()
            self._part = None
        else:
            self._cache.archive(self._project.sha256).unlink(missing_ok=True)
        self._stop_unpacking()

    def _stop_unpacking(self) -> None:
        if self._unpacking is not None:
            self._unpacking.close()
            self._unpacking = None
            if self._folder is not None and not self.ready:
                self._folder.remove()
                self._folder = None

    def _close_part(self) -> None:
        if self._part is not None:
            self._part.close()
            self._part = None
