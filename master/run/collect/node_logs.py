"""What the workers of nodes have printed and logged, kept in the run directory: `logs/NODE.log`, bounded, each line with time and worker."""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from pathlib import Path

from master.fleet.registry import Node
from worker.agent.worker_output import OutputRate
from worker.log_lines import LogLine, format_line
from worker.printable import printable
from worker.secret_values import Mask
from worker.wire.bounds import MAX_WORKERS
from worker.wire.messages import WorkerOutput

LINES_PER_S = 50.0
"""Of one node: more than agents send, who know when they were late."""
BURST_LINES = 500
MAX_ALL_BYTES = 256 << 20
"""Of the logs of all nodes together, which share it alike."""
MAX_NODE_BYTES = 8 << 20
MIN_NODE_BYTES = 128 << 10


class NodeLogs:
    """Takes in what agents send of their workers' output; to be written once a second."""

    def __init__(self, folder: Path, mask: Mask, nodes: int, dropped: Counter[str]) -> None:
        """`nodes` is how many there may be; none of what `mask` masks comes into a log. `dropped` counts lines in no log, by reason."""
        self.finished: set[str] = set()
        """Nodes whose workers have ended, and whose output is complete."""
        self.max_bytes = min(MAX_NODE_BYTES, max(MIN_NODE_BYTES, MAX_ALL_BYTES // max(1, nodes)))
        self._folder = folder
        self._mask = mask
        self._dropped = dropped
        self._rates: dict[str, OutputRate] = {}
        self._unwritten: dict[str, list[str]] = {}
        self._full: set[str] = set()

    def add(self, node: Node, output: WorkerOutput, now_s: float) -> None:
        """An agent has sent lines, at `now_s` of the monotonic clock."""
        rate = self._rates.setdefault(node.name, OutputRate(LINES_PER_S, BURST_LINES))
        rate.refill(now_s)
        lines, wall_s = self._unwritten.setdefault(node.name, []), time.time()
        left_out = output.left_out
        for line in output.lines:
            if line.worker not in {f"{node.name}_{number}" for number in range(MAX_WORKERS)}:
                self._dropped["a line of another node's worker"] += 1
                continue
            if not rate.take():
                left_out += 1
                continue
            at_s = min(now_s, node.clock.to_local(line.at_s)) if node.clock.known else now_s
            text = self._mask(printable(line.text))
            lines.append(format_line(LogLine(max(0.0, wall_s - (now_s - at_s)), line.worker, text)))
        if left_out and rate.take():
            lines.append(format_line(LogLine(wall_s, node.name, f"({left_out} further lines are left out here)")))
        if output.last:
            self.finished.add(node.name)

    def write(self) -> None:
        """Write what has come. A disk that is full is no reason for a run to end here: it is watched elsewhere."""
        unwritten, self._unwritten = self._unwritten, {}
        for node, lines in unwritten.items():
            if lines and node not in self._full:
                self._append(node, lines)

    def _append(self, node: str, lines: list[str]) -> None:
        path = self._folder / f"{node}.log"
        with contextlib.suppress(OSError):
            # Without following a link, and readable as all that a run leaves.
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
            with open(descriptor, "ab") as file:  # noqa: PTH123  # of a descriptor
                if file.tell() > self.max_bytes:
                    self._full.add(node)
                    end = f"(the log has reached {self.max_bytes >> 10} KiB: nothing further is kept of this node)"
                    lines = [format_line(LogLine(time.time(), node, end))]
                file.write("".join(lines).encode(errors="backslashreplace"))
