"""The real command line of `piswarm env`, in this process; tests/integration/environments starts it as one of its own."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from master import cli

ROOT = Path(__file__).parents[3]


class Done(NamedTuple):
    """What a command left: its exit status, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def env(*words: str | Path) -> Done:
    """Call `piswarm env` with these words."""
    out, err = io.StringIO(), io.StringIO()
    argv = ["piswarm", "env", *map(str, words)]
    with redirect_stdout(out), redirect_stderr(err), patch.object(sys, "argv", argv):
        try:
            status = cli.main()
        except SystemExit as end:
            status = int(end.code or 0)
    return Done(status, out.getvalue(), err.getvalue())
