"""The keys `project` and `locustfile` of a scenario: which files of the operator's Locust project there are to import."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from master.errors import InputError
from master.yaml_file.document import Document, Place

DEFAULT_LOCUSTFILE = "locustfile.py"
MAX_LOCUSTFILES = 200


@dataclass(frozen=True, slots=True)
class LocustProject:
    """The operator's Locust project; its paths are absolute, without symbolic links."""

    root: Path
    """The folder that all of it lies in: the one that `project` names, or that of the locustfiles."""
    locustfiles: tuple[Path, ...]
    """To be imported in this order."""
    whole: bool = False
    """Whether all that lies in `root` belongs to it, and not only what the locustfiles import and name."""

    @property
    def relative(self) -> list[str]:
        """The locustfiles, relative to the root."""
        return [file.relative_to(self.root).as_posix() for file in self.locustfiles]

    def keys(self) -> dict[str, object]:
        """The keys of a scenario that say it."""
        files = [str(file) for file in self.locustfiles]
        locustfile: object = files[0] if len(files) == 1 else files
        return {"project": str(self.root), "locustfile": locustfile} if self.whole else {"locustfile": locustfile}


class _KeyError(ValueError):
    """What is wrong with one of the two keys, and where."""

    def __init__(self, place: Place, text: str) -> None:
        super().__init__(text)
        self.place = place


def note_project_faults(document: Document) -> LocustProject | None:
    """The project that a scenario names; None without one, or where a fault was added."""
    given = document.data if isinstance(document.data, dict) else {}
    project, locustfile = given.get("project"), given.get("locustfile")
    if project is None and locustfile is None:
        return None
    try:
        return _project(document.file.parent, project, locustfile)
    except _KeyError as fault:
        document.fault(fault.place, str(fault))
        return None


def project_at(files: Sequence[str], folder: Path) -> LocustProject:
    """The project of the locustfiles, and folders of them, at paths relative to `folder`. Raises InputError."""
    address = next((file for file in files if "://" in file), None)
    if address is not None:
        raise InputError(f"-f {address}: locustfiles are not fetched", hint="Fetch it, look at it, and name the file.")
    try:
        return _project(folder, None, list(files), "the path is relative to the working directory")
    except _KeyError as fault:
        raise InputError(f"-f {fault}", hint="Nothing was started.") from None


def _project(
    folder: Path, project: object, locustfile: object, where: str = "the path is relative to the scenario file"
) -> LocustProject:
    """`where` says what a locustfile without a project is looked for in. Raises _KeyError."""
    if project is None:
        files = list(_files(folder, locustfile, where))
        return LocustProject(Path(os.path.commonpath([file.parent for file in files])), tuple(files))
    root = _existing(folder, project, ("project",))
    if root is None:
        raise _KeyError(("project",), f"{project!r:.200}: no such folder; the path is relative to the scenario file")
    if not root.is_dir():
        raise _KeyError(("project",), f"{project!r:.200} is a file, where a folder is wanted: name it as locustfile")
    if locustfile is None:
        file = root / DEFAULT_LOCUSTFILE
        if not file.is_file():
            raise _KeyError(
                ("project",), f"{project!r:.200} has no {DEFAULT_LOCUSTFILE}: name its locustfiles with `locustfile`"
            )
        return LocustProject(root, (file.resolve(),), whole=True)
    files = list(_files(root, locustfile, "the path is relative to the project"))
    for index, file in enumerate(files):
        if not file.is_relative_to(root):
            place = (
                ("locustfile", index) if isinstance(locustfile, list) and len(locustfile) > index else ("locustfile",)
            )
            raise _KeyError(place, f"{file} lies outside of the project {root}")
    return LocustProject(root, tuple(files), whole=True)


def _files(folder: Path, locustfile: object, where: str) -> Iterator[Path]:
    """All locustfiles, each once. Raises _KeyError."""
    named: list[tuple[Place, object]]
    if isinstance(locustfile, list):
        named = [(("locustfile", index), entry) for index, entry in enumerate(locustfile)]
        if not named:
            raise _KeyError(("locustfile",), "names no file")
    else:
        named = [(("locustfile",), locustfile)]
    files: dict[Path, None] = {}
    for place, entry in named:
        found = _existing(folder, entry, place)
        if found is None:
            raise _KeyError(place, f"{entry!r:.200}: no such file; {where}")
        if found.is_file():
            files[found] = None
            continue
        inside = list(_locustfiles_in(found))
        if not inside:
            raise _KeyError(place, f"{entry!r:.200} is a folder without a locustfile (*.py, and not _*.py)")
        files |= dict.fromkeys(inside)
        if len(files) > MAX_LOCUSTFILES:
            raise _KeyError(place, f"more than {MAX_LOCUSTFILES} locustfiles: name those that are meant")
    return iter(files)


def _existing(folder: Path, value: object, place: Place) -> Path | None:
    """The file or folder that a value names, resolved; None where there is none."""
    if not isinstance(value, str):
        return None
    try:
        found = (folder / value).resolve()
        return found if found.is_file() or found.is_dir() else None
    except (OSError, ValueError):  # a name too long, or with a zero byte
        return None
    except RuntimeError:
        raise _KeyError(place, f"{value!r:.200} is a symbolic link that leads to itself") from None


def _locustfiles_in(folder: Path) -> Iterator[Path]:
    """The locustfiles of a folder, as Locust finds them for a folder on its command line, but sorted, and none of environments."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith((".", "__pycache__")) and not (Path(place) / name / "pyvenv.cfg").exists()
        )
        yield from (Path(place, name) for name in sorted(files) if name.endswith(".py") and not name.startswith("_"))
