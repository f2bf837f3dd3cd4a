"""Checks that real nodes get what a Locust project imports and reads."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from master.project.archive.ignored import OWN_FILE, Ignored
from master.project.checks.finding import Finding, refused
from master.project.checks.source_checks import Source, files_named, imports_of
from master.scenario import LocustProject


def check_shipped(
    project: LocustProject,
    sources: Iterable[Source],
    modules: Mapping[str, Path],
    *,
    opened: Collection[Path],
    folders: Collection[Path],
    shipped: Collection[Path],
) -> list[Finding]:
    """Modules and files that real nodes lack: those that are not among the files `shipped` to them."""
    locustfile, *_ = sources = list(sources)
    lines = {name: (source.file, line) for source in reversed(sources) for name, _, line in imports_of(source)}
    found = [
        refused(f"imports {name} from {path}, {why}", remedy, *lines.get(name, (locustfile.file, None)))
        for name, path in modules.items()
        if path not in shipped
        for why, remedy in [_reason(path, project)]
    ]
    named = {file: (source.file, line) for source in sources for file, line in files_named(source, folders).items()}
    for file in sorted({*opened, *named} - {*shipped, *modules.values()}):
        why, remedy = _reason(file, project)
        found.append(refused(f"reads {file}, {why}", remedy, *named.get(file, (locustfile.file, None))))
    return found


def _reason(path: Path, project: LocustProject) -> tuple[str, str]:
    """Why nodes are not sent a file, and what to do about it."""
    if not path.is_relative_to(project.root):
        return f"and nodes get what lies in {project.root} alone", "Put it there."
    why = Ignored(project.root).why_file(path, project.root)
    if why is not None and project.whole:
        own = path.relative_to(project.root).as_posix()
        return f"and nodes don't get it ({why})", f"Bring it back by a line in {OWN_FILE} of the project: !{own}"
    return (
        "and nodes get only what the locustfiles' source names",
        f"Name the folder in the scenario: project: {project.root}",
    )
