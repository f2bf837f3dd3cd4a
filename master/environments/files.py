"""Environment files: read with all that is wrong with them, and written so that nobody else ever can read them."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from master.environments.file_format import Assignment, LineFault, parse, quote
from master.environments.variables import MAX_SUGGESTIONS, Variable, check_values, declared, unknown
from master.errors import InputError
from master.inputs import decode_input, read_input
from worker.atomic_write import atomic_write

MAX_BYTES = 64_000
"""Ten times a file of all variables; one with a fault in each line is checked within the second or so that a small one takes."""
MODE = 0o600
_HEADER = re.compile(r"# piswarm environment: (\S+), template: (\S+)")
_NOTE = """\
# Made by piswarm env generate, for systemd's EnvironmentFile= and for `set -a; . FILE` of a shell.
# Keep its mode 0600: what it holds is for its owner alone.
"""


@dataclass(frozen=True)
class EnvironmentFile:
    """The content of a file, and what is wrong with it."""

    path: Path
    assignments: Mapping[str, Assignment]
    faults: tuple[LineFault, ...]
    made_of: tuple[str, str] | None = None
    """The environment and the template that it was generated from; None where it does not say so."""

    @property
    def values(self) -> dict[str, str]:
        """The values by the variables' names."""
        return {name: each.value for name, each in self.assignments.items()}

    def describe_faults(self) -> list[str]:
        """A line for each fault: file, line, variable, what. Secrets are not in them."""
        return [
            f"{self.path}{f':{fault.line}' if fault.line else ''}: {f'{fault.name}: ' if fault.name else ''}{fault.text}"
            for fault in self.faults
        ]


def read_file(path: Path) -> EnvironmentFile:
    """Read and check a file. A file that can't be read has that as its fault."""
    try:
        content = read_input(path, MAX_BYTES)
        mode = stat.S_IMODE(path.stat().st_mode)
        text = decode_input(path, content)
    except InputError as error:
        at = re.match(rf"{re.escape(str(path))}(?::(\d+))?: ", error.message)
        line, text = (0, error.message) if at is None else (int(at[1] or 0), error.message[at.end() :])
        return EnvironmentFile(path, {}, (LineFault(line, text),))
    except OSError as error:
        return EnvironmentFile(path, {}, (LineFault(0, f"can't be read: {error.strerror}"),))
    faults: list[LineFault] = []
    if mode & 0o077:
        faults.append(LineFault(0, f"others can read or change it (mode {mode:04o}): chmod 600 it"))
    if content.startswith(b"\xef\xbb\xbf"):
        faults.append(LineFault(1, "begins with a byte order mark, which a shell takes for part of the first line"))
    assignments, broken = parse(text)
    faults += broken
    known = {each.name: each for each in assignments if each.name in declared()}
    for count, each in enumerate(each for each in assignments if each.name not in known):
        faults.append(LineFault(each.line, unknown(each.name, suggest=count < MAX_SUGGESTIONS), each.name))
    given = {name: each for name, each in known.items() if each.value}
    for name, texts in check_values({name: each.value for name, each in given.items()}).items():
        faults += [LineFault(given[name].line, each, name) for each in texts]
    header = _HEADER.search(text)
    faults.sort(key=lambda fault: fault.line)
    return EnvironmentFile(path, given, tuple(faults), None if header is None else (header[1], header[2]))


def read_valid_file(path: Path) -> EnvironmentFile:
    """Read a file. Raises InputError, which tells all its faults."""
    found = read_file(path)
    raise_faults([found])
    return found


def raise_faults(files: Iterable[EnvironmentFile]) -> None:
    """Raise InputError with the faults of all files; do nothing when there are none."""
    rows = [row for file in files for row in file.describe_faults()]
    if rows:
        count = "one fault" if len(rows) == 1 else f"{len(rows)} faults"
        raise InputError(
            "\n".join([count, *(f"  {row}" for row in rows)]), hint="Correct the file; see: piswarm env variables"
        )


def render(environment: str, template: str, values: Mapping[str, str], variables: Iterable[Variable]) -> str:
    """The text of a file with these values, in the order of `variables`."""
    lines = [f"# piswarm environment: {environment}, template: {template}", _NOTE]
    reader = None
    for variable in variables:
        if variable.reader != reader:
            reader = variable.reader
            lines.append(f"# Read by {reader.replace('`', '')}:")
        unit = f" ({variable.unit})" if variable.unit else ""
        lines += [f"# {variable.description}{unit}", f"{variable.name}={quote(values[variable.name])}"]
    return "\n".join(lines) + "\n"


def write_file(path: Path, text: str, *, replace: bool) -> None:
    """Write a file with mode 0600, which no moment widens. Raises InputError where one is there and not to be replaced."""
    try:
        if replace:
            if path.exists() and not path.is_file():
                raise InputError("is no file, and would be replaced", file=path, hint="Name a file.")
            atomic_write(path, text.encode(), MODE)
            return
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, MODE))
        try:
            atomic_write(path, text.encode(), MODE)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    except FileExistsError:
        raise InputError("is there already", file=path, hint=EXISTS_HINT) from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(
            f"can't be written: {why}", file=path, hint="Name a file in a directory that is there."
        ) from None


EXISTS_HINT = "--force writes it anew and keeps its secrets; --rotate makes new ones, too."
