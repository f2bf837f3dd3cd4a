"""For the projects: what they see is noted in a file, a line of JSON each, with the process."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from locust.runners import WorkerRunner


def note(what: str, **more: Any) -> None:
    """Note that something was seen."""
    line = json.dumps({"pid": os.getpid(), "what": what, **more}, default=str)
    with Path(os.environ["PARITY_NOTES"]).open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def note_side(runner: Any) -> None:
    """Note which side this process is."""
    note("side", side="worker" if isinstance(runner, WorkerRunner) else "master")


class Noted:
    """A user that notes when it begins; to be named before Locust's class."""

    def on_start(self) -> None:
        note("began", user=type(self).__name__)
