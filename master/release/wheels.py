"""Wheels of a release: downloaded once by pip into a cache, verified against the lock's hashes at each use.

The cache is keyed by platform and requirements, so that pip chooses between several wheels of one version once, and a new
version of the package `worker` needs no network. (uv would not do: it installs from its cache without verifying hashes.)
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from master.errors import AbortError
from master.release.lockfile import Pin
from master.release.platforms import Platform

Progress = Callable[[str], None]

_MAX_LINES_SHOWN = 12  # lines of pip's that are shown when it fails
# Text in pip's output, the cause, and what to do.
_CAUSES = (
    (
        "DO NOT MATCH THE HASHES",
        "a file has not the hash that the lock file pins",
        "somebody has changed it, or the lock is wrong",
    ),
    ("No space left on device", "the disk is full", "make room for the cache"),
    ("No module named pip", "this Python has no pip", "install python3-pip, or run from an environment that has it"),
    ("Retrying (", "the package index can't be reached", "check the network, or pip's settings: pip config list"),
    (
        "No matching distribution",
        "the package index has no such wheel",
        "check the lock file and pip's settings: pip config list",
    ),
)


class BuildError(AbortError):
    """A release can't be built: no network, a full disk, a wrong or damaged wheel."""


def fetch_wheels(
    pins: Sequence[Pin], platform: Platform, cache: Path, progress: Progress, *, deadline_s: float = 600.0
) -> list[Path]:
    """Return the wheels of `pins` for `platform`, in their order, from `cache` or by pip. Raises BuildError, OSError.

    The caller holds the lock of this platform.
    """
    requirements = "".join(f"{pin.requirement}\n" for pin in pins)
    wanted = f"{platform.arch}\n{platform.python}\n{' '.join(platform.pip_platforms)}\n{requirements}"
    directory = cache / f"{platform.arch}-{platform.python}-{hashlib.sha256(wanted.encode()).hexdigest()[:16]}"
    if not directory.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        for abandoned in cache.glob(f"{platform.arch}-{platform.python}-*.partial"):
            shutil.rmtree(abandoned, ignore_errors=True)
        # A new name each time: the pip of a build that was killed may be at work still.
        partial = Path(tempfile.mkdtemp(".partial", f"{directory.name}-", cache))
        (partial / "requirements.txt").write_text(requirements, encoding="utf-8")
        _download(partial, platform, len(pins), progress, deadline_s)
        _verify(partial, pins)
        (partial / "requirements.txt").unlink()
        partial.rename(directory)
    return _verify(directory, pins)


def _verify(directory: Path, pins: Sequence[Pin]) -> list[Path]:
    """Return the wheel of each of `pins`. Raises BuildError unless there is exactly one with a pinned hash for each."""
    found: dict[str, Path] = {}
    for wheel in sorted(directory.glob("*.whl")):
        with wheel.open("rb") as stream:
            found[hashlib.file_digest(stream, "sha256").hexdigest()] = wheel
    wheels: list[Path] = []
    for pin in pins:
        own = [found.pop(digest) for digest in pin.hashes & found.keys()]
        if len(own) != 1:
            there = sorted(path.name for path in found.values() if _package_name(path) == pin.name)
            what = (
                f"{there[0]} has not a hash of the lock file"
                if there
                else f"{len(own)} wheels are there instead of one"
            )
            raise BuildError(f"{pin.name} {pin.version}: {what}", hint=f"remove {directory} to have it fetched again")
        wheels += own
    if found:
        strange = min(path.name for path in found.values())
        raise BuildError(f"{strange}: nothing that was asked for", hint=f"remove {directory} to have it fetched again")
    return wheels


def _package_name(wheel: Path) -> str:
    return re.sub(r"[-_.]+", "-", wheel.name.partition("-")[0]).lower()


def _download(directory: Path, platform: Platform, count: int, progress: Progress, deadline_s: float) -> None:
    """Run pip to download what `requirements.txt` in `directory` names. Raises BuildError."""
    command = [
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--only-binary", ":all:"),
        *("--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--retries", "2"),
        *("--implementation", "cp", "--python-version", platform.python),
        *(f"--platform={name}" for name in platform.pip_platforms),
        *("--dest", str(directory), "--requirement", str(directory / "requirements.txt")),
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    progress(f"fetching {count} wheels for {platform}")
    output: list[str] = []
    expired = threading.Event()
    with subprocess.Popen(  # noqa: S603 # our own Python, and what a lock file pins
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        encoding="utf-8",
        errors="replace",
    ) as pip:

        def expire() -> None:
            expired.set()
            pip.kill()

        timer = threading.Timer(deadline_s, expire)
        timer.start()
        try:
            assert pip.stdout is not None
            fetched = 0
            for line in pip.stdout:
                output.append(line.rstrip())
                if line.startswith(("Collecting ", "Processing ")):  # the latter from a directory
                    fetched += 1
                    progress(f"wheel {fetched} of {count}: {line.split()[1].rpartition('/')[2]}")
        except BaseException:
            pip.kill()
            raise
        finally:
            timer.cancel()
    if expired.is_set():
        raise BuildError(
            f"pip did not fetch the wheels in {deadline_s:g} s", hint="check the network, or pip's settings"
        )
    if pip.returncode:
        raise _explain(output)


def _explain(output: Sequence[str]) -> BuildError:
    text = "\n".join(output)
    cause, hint = next(
        ((cause, hint) for mark, cause, hint in _CAUSES if mark in text), ("pip failed", "see what pip said")
    )
    shown = "\n".join(f"  pip: {line[:300]}" for line in output[-_MAX_LINES_SHOWN:] if line)
    return BuildError(f"the wheels can't be fetched: {cause}\n{shown}", hint=hint)
