"""What of a project's folder nodes do not get: what git ignores there, environments and caches, and what piswarm itself keeps.

`.piswarmignore` in the project's folder has patterns of the same kind, and the last word: `!data/people.csv` brings back a file that
git ignores.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from pathspec import GitIgnoreSpec

OWN_FILE = ".piswarmignore"
_GIT_FILE = ".gitignore"
_MAX_BYTES = 1 << 20
"""Of a file with patterns; a larger one is none."""
NAMES = (
    *(".git", ".hg", ".svn", ".DS_Store"),
    *("__pycache__", "*.pyc", "*.pyo", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".tox", ".nox", "*.egg-info"),
    *(".venv", "node_modules", ".idea", ".vscode"),
    ".piswarm",  # keys, and releases for nodes
)
"""Never part of a project."""
_MARKS = {
    "pyvenv.cfg": "a virtual environment",
    "conda-meta": "an environment of conda's",
    "CACHEDIR.TAG": "a cache",
    "run.db": "a run directory",
}
"""A folder that has one of these is never part of a project."""


@dataclass(frozen=True)
class _Rules:
    """Patterns that hold below a folder."""

    folder: Path
    spec: GitIgnoreSpec

    def ask(self, path: Path, *, is_folder: bool) -> bool | None:
        """Whether they leave `path` out; None where they say nothing of it."""
        try:
            name = path.relative_to(self.folder).as_posix()
        except ValueError:
            return None
        return self.spec.check_file(f"{name}/" if is_folder else name).include


class Ignored:
    """Says of each path below a project's folder whether it is left out. To be asked of a folder before what is in it."""

    def __init__(self, root: Path, project: Path | None = None) -> None:
        """`root` is the project's folder, or one of the folder `project` that is named itself, and so sent though it is ignored."""
        project = project or root
        own = _rules(project, project / OWN_FILE)
        self._own = [] if own is None else [own]
        self._git: dict[Path, _Rules] = {}
        """Of each folder that has some."""
        top = next((each for each in [root, *root.parents] if (each / ".git").exists()), root)
        excluded = _rules(top, top / ".git" / "info" / "exclude")
        self._least = [] if excluded is None else [excluded]
        above = [each for each in root.parents if each.is_relative_to(top)]
        for folder in above:
            self.enter(folder)
        if any(self.why(folder, is_folder=True) for folder in [*above[:-1], root] if folder != top):
            # All of it would be left out, and is named nevertheless.
            self._git, self._least = {}, []
        self.enter(root)

    def enter(self, folder: Path) -> None:
        """Read the patterns that hold in a folder."""
        rules = _rules(folder, folder / _GIT_FILE)
        if rules is not None:
            self._git[folder] = rules

    def why(self, path: Path, *, is_folder: bool) -> str | None:
        """What leaves `path` out; None for what belongs to the project."""
        if any(fnmatchcase(path.name, name) for name in NAMES):
            return "never part of a project"
        if is_folder:
            if (path / "controller.json").exists() and (path / "allowlist.json").exists():
                return "the controller's keys"
            for mark, what in _MARKS.items():
                if (path / mark).exists():
                    return what
        for rules in self._own:
            if (answer := rules.ask(path, is_folder=is_folder)) is not None:
                return OWN_FILE if answer else None
        for rules in [*self._below(path), *self._least]:
            if (answer := rules.ask(path, is_folder=is_folder)) is not None:
                return _GIT_FILE if answer else None
        return None

    def why_file(self, path: Path, root: Path) -> str | None:
        """What leaves out the file `path` or a folder between it and `root`."""
        folders = [folder for folder in reversed(path.parents) if folder != root and folder.is_relative_to(root)]
        for folder in folders:
            if (why := self.why(folder, is_folder=True)) is not None:
                return why
            self.enter(folder)
        return self.why(path, is_folder=False)

    def _below(self, path: Path) -> Iterator[_Rules]:
        """The rules of git that may speak of `path`, those that stand nearest first."""
        return (self._git[folder] for folder in path.parents if folder in self._git)


def _rules(folder: Path, file: Path) -> _Rules | None:
    with contextlib.suppress(OSError):
        if file.is_file() and file.stat().st_size <= _MAX_BYTES:
            lines = file.read_text("utf-8", errors="replace").splitlines()
            return _Rules(folder, GitIgnoreSpec.from_lines(filter(_is_pattern, lines)))
    return None


def _is_pattern(line: str) -> bool:
    """Whether it is one; git, too, passes over what is none, such as `[z-a]` or a lone `!`."""
    try:
        GitIgnoreSpec.from_lines([line])
    except (ValueError, re.error):
        return False
    return True


def relative(path: Path, root: Path) -> PurePosixPath:
    """The path within the project."""
    return PurePosixPath(path.relative_to(root).as_posix())
