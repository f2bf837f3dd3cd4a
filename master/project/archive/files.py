"""The list of a project's files, or one InputError with all that nodes can't be sent."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from master.errors import InputError, list_faults
from master.project.archive.ignored import OWN_FILE, Ignored
from master.project.archive.imported import imported_files
from master.scenario import LocustProject
from worker.project.unpacking import MAX_DEPTH, MAX_NAME_BYTES
from worker.wire.bounds import MAX_PROJECT_BYTES, MAX_PROJECT_FILES

_LARGEST = 3


@dataclass(frozen=True, order=True)
class ProjectFile:
    """A regular file: its name in the archive, where its content is, and how large it is now."""

    name: str
    source: Path
    size: int
    executable: bool = False


def find_files(project: LocustProject) -> list[ProjectFile]:
    """All files of a project, by name. Raises InputError."""
    faults: list[str] = []
    found = _Walk(project.root, faults)
    if project.whole:
        found.add_folder(project.root)
        for file in project.locustfiles:
            found.add_file(file)
    else:
        for path in imported_files(project):
            if path.is_dir():
                found.add_named(path)
            else:
                found.add_file(path)
    files = sorted(found.files.values())
    _check_bounds(project, files, faults)
    if faults:
        rows = faults[0] if len(faults) == 1 else f"{len(faults)} faults\n{list_faults(faults, len(faults))}"
        raise InputError(rows, hint="Nodes get the project's files; nothing was started.")
    return files


class _Walk:
    """Gathers files below a root."""

    def __init__(self, root: Path, faults: list[str]) -> None:
        self.files: dict[str, ProjectFile] = {}
        self._root = root
        self._faults = faults
        self._ignored = Ignored(root)

    def add_named(self, folder: Path) -> None:
        """Add all that lies in a folder that a source names."""
        if not folder.resolve().is_relative_to(self._root):
            self._leads_inside(folder)
            return
        before, self._ignored = self._ignored, Ignored(folder, self._root)
        self.add_folder(folder)
        self._ignored = before

    def add_folder(self, folder: Path, above: frozenset[Path] = frozenset()) -> None:
        """Add all that lies in it; `above` are the real folders that it lies in, so that links in a circle end."""
        real = folder.resolve()
        if real in above or len(self.files) > MAX_PROJECT_FILES:
            return
        self._ignored.enter(folder)
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            self._faults.append(f"{folder}: can't be read: {error.strerror}")
            return
        for entry in entries:
            if len(self.files) > MAX_PROJECT_FILES:
                return
            self._add_entry(Path(entry.path), entry, above | {real})

    def _add_entry(self, path: Path, entry: os.DirEntry[str], above: frozenset[Path]) -> None:
        try:
            is_folder = entry.is_dir()
        except OSError:
            is_folder = False
        if self._ignored.why(path, is_folder=is_folder) is not None:
            return
        if entry.is_symlink() and not self._leads_inside(path):
            return
        if is_folder:
            self.add_folder(path, above)
        else:
            self.add_file(path)

    def _leads_inside(self, link: Path) -> bool:
        try:
            real = link.resolve()
        except (OSError, RuntimeError):
            return False  # a circle of links
        if real.is_relative_to(self._root):
            return real.exists()
        self._faults.append(
            f"{link}: leads by a symbolic link to {real}, outside of the project {self._root}: put what it leads to there, or leave it out "
            f"in {OWN_FILE}"
        )
        return False

    def add_file(self, path: Path) -> None:
        """Add one file, by its name below the root."""
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                return  # a socket, say
            if not path.resolve().is_relative_to(self._root):
                self._leads_inside(path)
                return
            name = path.relative_to(self._root).as_posix()
            if len(name.encode()) > MAX_NAME_BYTES or name.count("/") >= MAX_DEPTH:
                self._faults.append(f"{path}: the name is too long, or too deep in folders")
                return
            if not os.access(path, os.R_OK):
                self._faults.append(f"{path}: can't be read: Permission denied")
                return
        except OSError as error:
            self._faults.append(f"{path}: can't be read: {error.strerror}")
        except UnicodeEncodeError:
            self._faults.append(f"{path.parent}/{path.name!a}: the name is no UTF-8")
        else:
            self.files[name] = ProjectFile(name, path, status.st_size, bool(status.st_mode & stat.S_IXUSR))


def _check_bounds(project: LocustProject, files: list[ProjectFile], faults: list[str]) -> None:
    remedy = f"leave out in {OWN_FILE} what the load does not need"
    if len(files) > MAX_PROJECT_FILES:
        faults.append(f"{project.root}: has more than {MAX_PROJECT_FILES} files: {remedy}")
    elif (size := sum(file.size for file in files)) > MAX_PROJECT_BYTES:
        faults.append(
            f"{project.root}: has {show_bytes(size)}, where nodes take {show_bytes(MAX_PROJECT_BYTES)}: {remedy}. "
            f"The largest: {', '.join(largest(files))}"
        )


def largest(files: Iterable[ProjectFile]) -> Iterator[str]:
    """The largest of `files`, with their sizes."""
    for file in sorted(files, key=lambda file: -file.size)[:_LARGEST]:
        yield f"{file.name} ({show_bytes(file.size)})"


def show_bytes(size: int) -> str:
    """For people."""
    return f"{size / (1 << 20):.1f} MiB" if size >= 1 << 20 else f"{size / 1024:.1f} KiB"
