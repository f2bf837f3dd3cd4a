"""Byte code for a release, where the controller has the Python that it is for.

A node would else make it itself when it tries the release: 1.2 s here, and by that ten of a Zero 2 W. It is no part of what names a release and is
not in its manifest: a Python takes it for what the source says only where time and size of the source are those that it was made of.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from master.release.archive import MTIME_S
from master.release.contents import RARE
from master.release.platforms import Platform

_DEADLINE_S = 300.0


def compiler_for(platform: Platform) -> str | None:
    """A Python of this machine whose byte code that of `platform` takes; None where there is none."""
    wanted = f"cpython-{platform.python.replace('.', '')}"
    if sys.implementation.cache_tag == wanted:
        return sys.executable
    found = shutil.which(f"python{platform.python}")
    return found if found and _tag(found) == wanted else None


@functools.cache
def _tag(python: str) -> str:
    """What marks the byte code of a Python; empty for a program that is none, or does not run."""
    command = [python, "-I", "-S", "-c", "import sys; print(sys.implementation.cache_tag)"]
    try:
        done = subprocess.run(  # noqa: S603  # its name is fixed
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def compiled(files: Mapping[str, bytes], compiler: str) -> dict[str, bytes]:
    """Byte code, by path, for the Python sources among `files` that a worker imports, and `compiler` understands.

    The same for the same. Empty when it can't be made, for want of room, say: nodes make it then.
    """
    with (
        contextlib.suppress(OSError, subprocess.SubprocessError),
        tempfile.TemporaryDirectory(prefix="piswarm-") as name,
    ):
        directory = Path(name)
        for path, content in files.items():
            if path.endswith(".py") and not path.startswith(RARE):
                source = directory / path
                source.parent.mkdir(parents=True, exist_ok=True)
                source.write_bytes(content)
                os.utime(source, (MTIME_S, MTIME_S))
        # Not by several processes: what is alike is then written in another way. Nor with the order of sets left to chance.
        command = [compiler, "-P", "-s", "-S", "-m", "compileall", "-qq", "-s", name, name]
        environment = {"PYTHONHASHSEED": "0", "PATH": os.environ.get("PATH", os.defpath)}
        subprocess.run(  # noqa: S603  # a Python of this machine
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=_DEADLINE_S, check=False
        )
        return {path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*.pyc")}
    return {}
