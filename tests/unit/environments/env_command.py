"""The real command `piswarm env`, as a process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def piswarm(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `piswarm` with these words, and nothing in its environment but what is named."""
    return subprocess.run(
        [sys.executable, "-m", "master.cli", *map(str, words)],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def env(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `piswarm env`."""
    return piswarm("env", *words)
