"""The controller keeps what nodes send of their workers' output: bounded, without secrets, and as printable text."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from master.fleet.registry import Node
from master.run.collect import node_logs
from master.run.collect.node_logs import BURST_LINES, NodeLogs
from worker.log_lines import parse_line
from worker.secret_values import Mask
from worker.wire.messages import LoggedLine, WorkerOutput


def logs(folder: Path, nodes: int = 1, dropped: Counter[str] | None = None) -> NodeLogs:
    return NodeLogs(folder, Mask({"TOKEN": "sesame"}), nodes, Counter() if dropped is None else dropped)


def node() -> Node:
    made = Node("pi1")
    made.clock.observe_reply(100.0, 1100.0, 100.0)  # its clock is 1000 s ahead
    return made


def test_lines_are_kept_by_the_controllers_time_and_as_printable_text(tmp_path: Path) -> None:
    """A line has the time of the controller's clock at which it was printed; control characters and secrets are not in it."""
    kept = logs(tmp_path)
    kept.add(node(), WorkerOutput([LoggedLine("pi1_0", 1097.0, "\x1b[31m sesame")], 3), 100.0)
    kept.write()
    (first, second) = map(parse_line, (tmp_path / "pi1.log").read_text().splitlines())
    assert (first.source, first.text) == ("pi1_0", r"\x1b[31m [TOKEN]")
    assert first.at_s is not None
    assert abs(time.time() - 3 - first.at_s) < 60
    assert (second.source, second.text) == ("pi1", "(3 further lines are left out here)")
    assert kept.finished == set()
    kept.add(node(), WorkerOutput([], last=True), 101.0)
    assert kept.finished == {"pi1"}


def test_a_node_speaks_for_its_own_workers_alone_and_not_too_much(tmp_path: Path) -> None:
    """Lines in the name of another node's worker are dropped and counted; those that come too fast are left out."""
    dropped = Counter[str]()
    kept = logs(tmp_path, dropped=dropped)
    kept.add(node(), WorkerOutput([LoggedLine("pi2_0", 1.0, "x"), LoggedLine("../pi1_0", 1.0, "x")]), 100.0)
    for _ in range(10):
        kept.add(node(), WorkerOutput([LoggedLine("pi1_0", 1100.0, "x")] * 200), 100.0)
    kept.write()
    assert dropped == {"a line of another node's worker": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["pi1.log"]
    assert len((tmp_path / "pi1.log").read_text().splitlines()) <= BURST_LINES


def test_a_log_grows_to_its_bound_and_no_further(tmp_path: Path) -> None:
    """A node's log ends at its share of what all may have, and says so; where it can't be written the run goes on."""
    kept = logs(tmp_path, nodes=10**6)
    assert kept.max_bytes == node_logs.MIN_NODE_BYTES
    for second in range(100):
        kept.add(node(), WorkerOutput([LoggedLine("pi1_0", 1100.0, "y" * 4000)] * 10), 100.0 + second)
        kept.write()
    text = (tmp_path / "pi1.log").read_text()
    assert node_logs.MIN_NODE_BYTES < len(text) < node_logs.MIN_NODE_BYTES + 60_000
    assert "nothing further is kept of this node" in text.splitlines()[-1]
    gone = logs(tmp_path / "nowhere")
    gone.add(node(), WorkerOutput([LoggedLine("pi1_0", 1.0, "x")]), 100.0)
    gone.write()


def test_a_link_in_the_place_of_a_log_is_not_followed(tmp_path: Path) -> None:
    """What lies elsewhere is not written to, whatever stands in the folder of the logs."""
    (tmp_path / "elsewhere").touch()
    Path(tmp_path / "pi1.log").symlink_to(tmp_path / "elsewhere")
    kept = logs(tmp_path)
    kept.add(node(), WorkerOutput([LoggedLine("pi1_0", 1100.0, "x")]), 100.0)
    kept.write()
    assert (tmp_path / "elsewhere").read_text() == ""
