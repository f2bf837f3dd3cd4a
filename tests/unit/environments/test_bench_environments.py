"""The bench of environments measures each operation that has a limit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from env_command import ROOT


def test_the_bench_measures_every_operation(tmp_path: Path) -> None:
    """One round of each, written with its limit; whether limits hold is not judged here."""
    out = tmp_path / "bench.json"
    done = subprocess.run(
        [sys.executable, "tests/bench/environments", "--rounds", "1", "--out", out],
        cwd=ROOT,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr
    operations = json.loads(out.read_text())["operations"]
    assert [each["limit_s"] for each in operations] == [5, 2, 1, 3]
    assert [len(each["rounds_s"]) for each in operations] == [1, 1, 1, 1]
