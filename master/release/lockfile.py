"""Reads `requirements-node.lock`: what a node needs, pinned by version and hash. Pure, apart from reading the file.

Markers are evaluated here for the node's platform: pip would evaluate them for its own Python.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import InvalidMarker, Marker

from master.errors import InputError
from master.release.platforms import Platform

_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9][A-Za-z0-9.!+_-]*)")
_HASH = re.compile(r"sha256:([0-9a-f]{64})")
_HINT = "make it anew: make lock"


@dataclass(frozen=True)
class Pin:
    """One package: its version, the SHA-256 of each file that may be installed for it, and the marker of the platforms that need it."""

    name: str
    version: str
    hashes: frozenset[str]
    marker: str
    line: int

    @property
    def requirement(self) -> str:
        """The line for pip's requirements file: no marker, hashes sorted."""
        return " ".join(
            [f"{self.name}=={self.version}", *(f"--hash=sha256:{digest}" for digest in sorted(self.hashes))]
        )


@dataclass(frozen=True)
class LockFile:
    """A lock file's pins."""

    file: Path
    pins: tuple[Pin, ...]
    hint: str = _HINT

    def for_platform(self, platform: Platform) -> tuple[Pin, ...]:
        """Return the pins that `platform` needs, sorted by name. Raises InputError for a marker that depends on the patch version."""
        return tuple(pin for pin in self.pins if self._needed(pin, platform))

    def _needed(self, pin: Pin, platform: Platform) -> bool:
        if not pin.marker:
            return True
        try:
            # A node's patch version is not known: no marker may depend on it.
            answers = {bool(Marker(pin.marker).evaluate(dict(platform.markers(patch)))) for patch in (0, 99)}
        except InvalidMarker:
            raise InputError(f"{pin.marker!r} is no marker", file=self.file, line=pin.line, hint=self.hint) from None
        if len(answers) > 1:
            text = f"whether {pin.name} is needed depends on the patch version of Python {platform.python}"
            raise InputError(text, file=self.file, line=pin.line, hint="pin another version of it")
        return answers.pop()


def with_requirements(release: LockFile, more: LockFile, platform: Platform) -> tuple[Pin, ...]:
    """The pins that `platform` needs of a release's lock file and of `more` requirements. Raises InputError where they contradict each other."""
    pins = {pin.name: pin for pin in release.for_platform(platform)}
    for pin in more.for_platform(platform):
        own = pins.setdefault(pin.name, pin)
        if own.version != pin.version:
            raise InputError(
                f"pins {pin.name} {pin.version}, and a release has {own.version} of it",
                file=more.file,
                line=pin.line,
                hint=f"pin {pin.name}=={own.version}: {release.file.name} as constraints does it",
            )
    return tuple(sorted(pins.values(), key=lambda pin: (pin.name, pin.version)))


def read_requirements(file: Path) -> LockFile:
    """Read an operator's requirements, pinned and with hashes. Raises InputError, as read_lock."""
    return read_lock(
        file,
        hint=f"make it by: uv pip compile --generate-hashes --constraints requirements-node.lock IN -o {file.name}",
    )


def read_lock(file: Path, hint: str = _HINT) -> LockFile:
    """Read the lock file `file`; `hint` says how it is made. Raises InputError, with the line, for anything but pinned packages with hashes."""
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"can't be read: {error}", file=file, hint=hint) from None
    pins: dict[tuple[str, str], Pin] = {}
    for line, entry in _entries(text):
        pin = _pin(file, line, entry, hint)
        other = pins.setdefault((pin.name, pin.marker), pin)
        if other is not pin:
            raise InputError(f"{pin.name} is there twice (first on line {other.line})", file=file, line=line, hint=hint)
    if not pins:
        raise InputError("pins nothing", file=file, line=1, hint=hint)
    return LockFile(file, tuple(sorted(pins.values(), key=lambda pin: (pin.name, pin.version))), hint)


def _entries(text: str) -> Iterable[tuple[int, str]]:
    """Each entry with the number of its first line, continued lines joined, comments left out."""
    entry, begun = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        content = re.sub(r"(^|\s)#.*$", "", line).strip()
        begun = begun or number
        entry += " " + content.removesuffix("\\")
        if not content.endswith("\\"):
            if entry.strip():
                yield begun, entry.strip()
            entry, begun = "", 0
    if entry.strip():
        yield begun, entry.strip()


def _pin(file: Path, line: int, entry: str, hint: str) -> Pin:
    requirement, *options = re.split(r"\s+--", entry)
    pinned, _, marker = requirement.partition(";")
    found = _PIN.fullmatch(pinned.strip())
    if found is None:
        raise InputError(f"{entry[:60]!r} pins no package to one version", file=file, line=line, hint=hint)
    hashes = [_HASH.fullmatch(option.removeprefix("hash=").strip()) for option in options]
    if not hashes or None in hashes:
        raise InputError(f"{found[1]} must have sha256 hashes, and nothing else", file=file, line=line, hint=hint)
    digests = frozenset(digest[1] for digest in hashes if digest is not None)
    return Pin(re.sub(r"[-_.]+", "-", found[1]).lower(), found[2], digests, marker.strip(), line)
