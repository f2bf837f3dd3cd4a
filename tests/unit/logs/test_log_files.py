"""The logs of a run are read in order of time, each line once, also while they grow."""

from __future__ import annotations

from pathlib import Path

from master.logs.log_files import RunLogs
from worker.log_lines import LogLine, format_line


def append(path: Path, *lines: tuple[float, str, str] | str) -> None:
    with path.open("a", encoding="utf-8") as file:
        for line in lines:
            file.write(line if isinstance(line, str) else format_line(LogLine(*line)))


def said(logs: RunLogs, *, whole: bool = True) -> list[tuple[str, str]]:
    return [(line.source, line.text) for line in logs.new_lines(whole=whole)]


def test_lines_of_all_logs_come_in_order_of_time(tmp_path: Path) -> None:
    """Lines of several logs are merged by their times; one without a time follows the one before it, as its file's."""
    append(tmp_path / "rack-1.log", (1.0, "sim1_0", "a"), "of a child\n", (4.0, "sim2_0", "d"), (5.0, "-", "at import"))
    append(tmp_path / "pi1.log", (2.0, "pi1_0", "b"), (3.0, "pi1_1", "c"))
    assert said(RunLogs(tmp_path)) == [
        ("sim1_0", "a"),
        ("rack-1", "of a child"),
        ("pi1_0", "b"),
        ("pi1_1", "c"),
        ("sim2_0", "d"),
        ("rack-1", "at import"),
    ]


def test_a_log_that_grows_is_read_line_by_line_once(tmp_path: Path) -> None:
    """Lines come once each, when they have their end; new logs are found, and at last a line without an end comes, too."""
    append(tmp_path / "a.log", (1.0, "pi1_0", "one"), "beg")
    logs = RunLogs(tmp_path)
    assert said(logs) == [("pi1_0", "one")]
    assert said(logs) == []
    append(tmp_path / "a.log", "un\n")
    append(tmp_path / "b.log", (0.5, "pi2_0", "late"), "no end")
    assert said(logs) == [("pi2_0", "late"), ("a", "begun")]
    assert said(logs, whole=False) == [("b", "no end")]
    assert said(logs, whole=False) == []


def test_a_log_whose_middle_was_cut_out_is_not_read_again(tmp_path: Path) -> None:
    """When a log is shorter than it was, what is left of it does not come twice; one that is gone has nothing to say."""
    append(tmp_path / "a.log", *[(1.0, "pi1_0", f"{number}") for number in range(100)])
    logs = RunLogs(tmp_path)
    assert len(said(logs)) == 100
    (tmp_path / "a.log").write_text(format_line(LogLine(1.0, "pi1_0", "0")))
    assert said(logs) == []
    append(tmp_path / "a.log", (2.0, "pi1_0", "new"))
    assert said(logs) == [("pi1_0", "new")]
    (tmp_path / "a.log").unlink()
    assert said(logs) == []


def test_piswarms_own_processes_log_in_local_time(tmp_path: Path) -> None:
    """The time that Python's logging writes is taken as the line's, and a log without any has that of its file."""
    append(tmp_path / "agent.log", "2026-11-27 21:27:53,234 worker WARNING late\n", "2026-99-27 21:27:53,234 x\n")
    lines = list(RunLogs(tmp_path).new_lines())
    assert [line.text for line in lines] == ["worker WARNING late", "2026-99-27 21:27:53,234 x"]
    assert lines[0].at_s == lines[1].at_s
    append(tmp_path / "target.log", "ready\n")
    (line,) = [line for line in RunLogs(tmp_path).new_lines() if line.source == "target"]
    assert abs(line.at_s - (tmp_path / "target.log").stat().st_mtime) < 1
