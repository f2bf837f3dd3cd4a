"""What a project's import has read, by its content, so that a run that is resumed knows whether it has changed since."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from master.formatting import listed
from master.project.process.facts import ProjectFacts
from master.scenario import LocustProject

SOURCES_KEY = "project_sources"
"""Where run.db keeps it."""
MAX_FILE_BYTES = 64 << 20
"""Of a longer file only so much is looked at, and its size."""
SHOWN = 3


def sources_seen(project: LocustProject, facts: ProjectFacts) -> dict[str, str]:
    """The locustfiles, the modules of the project and the files that its import has opened: path in the project → digest."""
    root = project.root.resolve()
    files = {file.resolve() for file in (*project.locustfiles, *facts.modules.values(), *facts.opened)}
    return {str(file.relative_to(root)): _digest(file) for file in sorted(files) if file.is_relative_to(root)}


def warn_of_changes(before: Mapping[str, str], now: Mapping[str, str], *, nodes_keep_theirs: bool) -> list[str]:
    """The warning for a project that is not what it was when its run began; `nodes_keep_theirs` if they were sent it then."""
    changed = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    if not changed:
        return []
    what = f"{listed(changed, SHOWN)} {'has' if len(changed) == 1 else 'have'} changed since the run began"
    if nodes_keep_theirs:
        return [f"{what}: the master side has the project as it is now, nodes have it as it was"]
    return [f"{what}: what was measured before is of another load than what follows"]


def _digest(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            found = hashlib.sha256(stream.read(MAX_FILE_BYTES))
            found.update(str(file.stat().st_size).encode())
            return found.hexdigest()
    except OSError:
        return ""  # it has gone
