"""The command `piswarm services check`, as a user would start it."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from processes import PISWARM


def check(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PISWARM, "services", "check", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )


def states(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return the rows of the JSON document by their names."""
    assert not done.stderr, done.stderr
    return {row["name"]: row for row in json.loads(done.stdout)["services"]}
