"""Processes that get an environment file as a shell hands it on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def sourcing(file: Path, command: Sequence[str | Path]) -> list[str]:
    """Return the command that becomes `command`, with what is in `file` in its environment."""
    return ["/bin/sh", "-euc", 'set -a; . "$1"; set +a; shift; exec "$@"', "sh", str(file), *map(str, command)]


def values_by_shell(file: Path) -> dict[str, str]:
    """Return what a shell that sources the file hands on to the processes that it starts."""
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    done = subprocess.run(sourcing(file, [sys.executable, "-c", code]), env={}, capture_output=True, check=True)
    found = json.loads(done.stdout)
    return {name: value for name, value in found.items() if name.startswith(("PISWARM_", "PGPASSWORD"))}
