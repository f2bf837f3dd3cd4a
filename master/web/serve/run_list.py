"""The runs below one folder: which there are, and whether each is on, has ended, or was left by its controller."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
from pathlib import Path
from typing import Literal

import msgspec

from master.errors import InputError
from master.store import StoreReader

MAX_RUNS = 1000
MAX_RESULT_BYTES = 32 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
State = Literal["starting", "running", "ended", "broken off", "unreadable"]


class _Head(msgspec.Struct):
    """What of result.json is in the list."""

    scenario: str = ""
    verdict: str = ""
    reason: str = ""
    started_at: str = ""
    duration_s: float = 0.0


class RunRow(msgspec.Struct):
    """A run in the list; null is not known, or not yet."""

    id: str
    state: State
    scenario: str | None = None
    verdict: str | None = None
    reason: str | None = None
    started_at: str | None = None
    duration_s: float | None = None


class RunList:
    """The runs of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ended: dict[tuple[str, int], RunRow] = {}
        """Those that have a result, by name and the time of its change: it is read once."""

    def rows(self) -> list[RunRow]:
        """All of them, the latest first; MAX_RUNS at most."""
        try:
            names = [each.name for each in os.scandir(self.folder) if each.is_dir(follow_symlinks=False)]
        except OSError:
            return []
        found = [self._row(self.folder / name) for name in names if _NAME.fullmatch(name)]
        runs = [(changed_s, row) for changed_s, row in found if row is not None]
        runs.sort(key=lambda each: each[0], reverse=True)
        return [row for _, row in runs[:MAX_RUNS]]

    def path(self, name: str) -> Path:
        """The directory of a run in the list. Raises InputError where there is none by that name."""
        path = self.folder / name
        if not _NAME.fullmatch(name) or path.is_symlink() or not (path / "run.db").is_file():
            raise InputError(f"there is no run {name[:200]!r}")
        return path

    def running(self) -> RunRow | None:
        """The run that is on, or about to be."""
        return next((row for row in self.rows() if row.state in {"starting", "running"}), None)

    def _row(self, path: Path) -> tuple[float, RunRow | None]:
        try:
            began_s = (path / "scenario.yml").stat().st_mtime
        except OSError:
            return 0.0, None
        if not (path / "run.db").is_file():
            return 0.0, None
        held = is_held(path / "keys.json")
        if held:
            return began_s, RunRow(path.name, "running" if _has_tables(path / "run.db") else "starting")
        result = path / "result.json"
        try:
            changed_ns = result.lstat().st_mtime_ns
        except OSError:
            return began_s, RunRow(path.name, "ended" if held is None else "broken off")
        key = (path.name, changed_ns)
        if key not in self._ended:
            if len(self._ended) > 2 * MAX_RUNS:
                self._ended.clear()
            self._ended[key] = _read(result)
        return began_s, self._ended[key]


def _read(result: Path) -> RunRow:
    name = result.parent.name
    try:
        head = msgspec.json.decode(read_result(result), type=_Head)
    except (OSError, msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return RunRow(name, "unreadable")
    return RunRow(name, "ended", head.scenario, head.verdict, head.reason, head.started_at, head.duration_s)


def read_result(path: Path) -> bytes:
    """What stands in a result.json. Raises OSError, also for a link, a pipe or a file too long to be one: a copied run may have any."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_RESULT_BYTES:
            raise OSError(errno.EINVAL, "it is no file, or too long", str(path))
        return file.read(MAX_RESULT_BYTES)


def is_own_file(path: Path) -> bool:
    """Whether it is a file, and no link, which could lead to any file of this machine."""
    return path.is_file() and not path.is_symlink()


def _has_tables(database: Path) -> bool:
    """Whether a run that has just been made can be read."""
    try:
        StoreReader.open(database).close()
    except InputError:
        return False
    return True


def is_held(keys: Path) -> bool | None:
    """Whether a controller holds the `keys.json` of a run, which is there as long as it can be resumed; None: there is none."""
    try:
        descriptor = os.open(keys, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None  # a link, which no controller makes
        return True  # another user's: it can't be told, and nothing is to be started beside it
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
