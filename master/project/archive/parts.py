"""Handing a project's archive out to agents, part by part, so that hundreds that ask at once neither flood the controller nor wait for ever."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from worker.wire.bounds import PROJECT_PART_BYTES
from worker.wire.messages import ProjectPart, ProjectRequest
from worker.wire.work import Project

MAX_UNDER_WAY = 32
"""Parts that are sent and whose agent has not answered, by asking for the next one, say: at most 2 MiB wait to be sent."""
MAX_TIMES = 3
"""A node is sent the archive so many times at most in a run: one that asks and never reads would fill the memory here."""
LOST_AFTER_S = 5.0
"""A part counts as under way for so long at most: its agent may have gone."""


class ProjectParts:
    """Answers the agents' requests, each in its turn. Closed by `close`."""

    def __init__(self, archive: Path, project: Project, send: Callable[[str, ProjectPart], None]) -> None:
        """`send` sends a part to a node's agent. Raises OSError where the archive can't be opened."""
        self._project = project
        self._send = send
        self._file = os.open(archive, os.O_RDONLY | os.O_CLOEXEC)
        self._waiting: dict[str, int] = {}
        """Offset of what a node waits for, in the order in which they asked."""
        self._under_way: dict[str, float] = {}
        """When the latest part was sent to a node that has not asked for the next one yet."""
        self.sent: Counter[str] = Counter()
        """Bytes by node."""

    def request(self, node: str, request: ProjectRequest, now_s: float) -> str | None:
        """A node asks for a part; why it gets none, where it is not entitled to it."""
        if request.sha256 != self._project.sha256 or request.offset > self._project.size:
            return "a request for no part of the project"
        if self.sent[node] >= MAX_TIMES * max(self._project.size, PROJECT_PART_BYTES):
            return "a request for the project, again and again"
        self._under_way.pop(node, None)
        if request.offset < self._project.size:
            self._waiting[node] = request.offset
        self.poll(now_s)
        return None

    def poll(self, now_s: float) -> None:
        """Send what can be sent now. To be called at times, since parts get lost with their agents."""
        if len(self._under_way) >= MAX_UNDER_WAY:
            for node in [node for node, sent_s in self._under_way.items() if now_s - sent_s > LOST_AFTER_S]:
                del self._under_way[node]
        while self._waiting and len(self._under_way) < MAX_UNDER_WAY and self._file >= 0:
            node = next(iter(self._waiting))
            offset = self._waiting.pop(node)
            data = os.pread(self._file, PROJECT_PART_BYTES, offset)
            self._send(node, ProjectPart(self._project.sha256, offset, data))
            self.sent[node] += len(data)
            self._under_way[node] = now_s

    def close(self) -> None:
        """Hand out no more."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        self._waiting.clear()
