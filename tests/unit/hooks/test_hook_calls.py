"""What a run tells at its end, by a real sender and a real command."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
from report_example import result

from master.hooks.orders import Receiver
from master.judge.result import Result, Soak
from master.run.directory import RunDirectory
from master.run.hook_calls import HookCalls


def told(folder: Path, ended: Result) -> list[str]:
    """The events that a receiver of all events is told of when the run has ended so."""
    (folder / "logs").mkdir()
    file = folder / "told.jsonl"
    command = ["sh", "-c", f"cat >> {file}; echo >> {file}; echo noted"]
    calls = HookCalls([Receiver("all", ["verdict", "abort", "drift"], command=command)], "s", "t", RunDirectory(folder))
    calls.verdict(ended)
    assert calls.end() == []
    calls.close()
    assert "noted" in (folder / "logs" / "hooks.log").read_text()
    return [json.loads(line)["event"] for line in file.read_text().split("\n") if line]


def test_what_a_command_prints_is_in_the_log(tmp_path: Path) -> None:
    """A command that prints what it was told is no fault, and its output is not taken for the sender's own."""
    (tmp_path / "logs").mkdir()
    receiver = Receiver("all", ["verdict"], command=["sh", "-c", "cat; echo"])
    calls = HookCalls([receiver], "s", "t", RunDirectory(tmp_path))
    calls.verdict(result())
    assert calls.end() == []
    calls.close()
    assert '"event":"verdict"' in (tmp_path / "logs" / "hooks.log").read_text()


def test_a_drift_is_told_beside_the_verdict(tmp_path: Path) -> None:
    """A soak that has drifted is an event of its own, one that has not is none."""
    soak = Soak(
        verdict="drift", reason="node_memory of pi1", hold_from_s=0, hold_to_s=9, warm_up_s=1,
        block_s=1, blocks=8, false_alarm_percent=5.0, metrics=[],
    )  # fmt: skip
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert told(tmp_path / "a", msgspec.structs.replace(result(), soak=soak)) == ["verdict", "drift"]
    steady = msgspec.structs.replace(soak, verdict="no drift")
    assert told(tmp_path / "b", msgspec.structs.replace(result("ABORTED"), soak=steady)) == ["verdict", "abort"]
