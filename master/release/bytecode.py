"""Byte code for a release, compiled where the controller has the Python version of the nodes.

Otherwise a node compiles it when it tries the release: 1.2 s here, about 10 s on a Zero 2 W. It is not in the manifest and does not count for
the name of a release. Python uses it only where time and size of the source are those that it was compiled from.
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
from master.release.contents import WITHOUT_BYTE_CODE
from master.release.platforms import Platform

_DEADLINE_S = 300.0


def find_compiler(platform: Platform) -> str | None:
    """Path of a Python on this machine of the version of `platform`; None where there is none."""
    wanted = f"cpython-{platform.python.replace('.', '')}"
    if sys.implementation.cache_tag == wanted:
        return sys.executable
    found = shutil.which(f"python{platform.python}")
    return found if found and _cache_tag(found) == wanted else None


@functools.cache
def _cache_tag(python: str) -> str:
    """Cache tag of the Python at `python`, such as cpython-313; empty for a program that is none, or does not run."""
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


def compile_sources(files: Mapping[str, bytes], compiler: str) -> dict[str, bytes]:
    """Return byte code by path for the Python sources among `files` that a worker imports, and `compiler` understands.

    Deterministic. Empty where it can't be written, on a full disk, say: nodes then compile it.
    """
    with (
        contextlib.suppress(OSError, subprocess.SubprocessError),
        tempfile.TemporaryDirectory(prefix="piswarm-") as name,
    ):
        directory = Path(name)
        for path, content in files.items():
            if path.endswith(".py") and not path.startswith(WITHOUT_BYTE_CODE):
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
