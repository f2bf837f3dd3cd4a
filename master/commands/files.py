"""Places that options name for files, checked before anything is started."""

from __future__ import annotations

from pathlib import Path

from master.errors import InputError


def check_writable(option: str, file: Path) -> None:
    """Make the folder of a file that an option names. Raises InputError where the file can't be written."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        existed = file.exists()
        with file.open("ab"):
            pass
        if not existed:
            file.unlink()
    except OSError as error:
        raise InputError(
            f"{option}: {file} can't be written: {error.strerror}", hint="Name another one. Nothing was started."
        ) from None


def new_folder(option: str, path: Path) -> Path:
    """Make the folder that an option names, unless it is there and empty. Raises InputError where it is not, or can't be made."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise InputError(f"{option}: {path} is not empty", hint="Name another one.")
    except OSError as error:
        raise InputError(f"{option}: {path} can't be made: {error.strerror}", hint="Name another one.") from None
    return path
