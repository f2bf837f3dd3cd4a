"""The bench of services: each operation that has a limit is measured with the real servers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from database_servers import Postgres, Redis
from processes import ROOT


def test_the_bench_measures_every_operation(tmp_path: Path, postgres: Postgres, redis: Redis) -> None:
    """One round of each, written with its limit; whether limits hold is not judged here. The fixtures skip where a server lacks."""
    del postgres, redis
    out = tmp_path / "bench.json"
    done = subprocess.run(
        [sys.executable, "tests/bench/services", "--rounds", "1", "--out", out],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr
    assert out.is_file(), done.stderr
    operations = json.loads(out.read_text())["operations"]
    assert [each["limit_s"] for each in operations] == [1, 1, 2, 0.5, 0.5, 2, 2]
    assert [len(each["rounds_s"]) for each in operations] == [1] * len(operations)
    assert "PostgreSQL stopped" in done.stdout
