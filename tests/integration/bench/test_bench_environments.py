"""`make bench-environments` for real, with one round: whether limits hold is not judged here."""

from __future__ import annotations

import json
from pathlib import Path

from benches import Bench


def test_every_operation_is_measured(tmp_path: Path) -> None:
    """Table and document have each operation with its limit."""
    out = tmp_path / "environments.json"
    done = Bench("environments").run("--rounds", "1", "--out", str(out))
    assert done.returncode in {0, 1}, done.stderr
    operations = json.loads(out.read_text())["operations"]
    assert {each["limit_s"] for each in operations} == {5, 2, 1, 3}
    assert [len(each["rounds_s"]) for each in operations] == [1] * len(operations)
    for each in operations:
        assert each["operation"] in done.stdout
