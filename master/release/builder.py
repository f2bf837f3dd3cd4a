"""Makes a release: one compressed archive of unpacked packages per platform, named by the hash of what is in it.

A node needs no network, compiler, pip or environment: it unpacks the archive into an empty directory, verifies it
(`.release/verify.py --compiled`), and starts `PYTHONPATH=<release> python3 -P -m worker.agent.service DIRECTORY`.

The name comes from the manifest, that is from every file's path, size and SHA-256, and so does not depend on the compressor.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

import worker
from master.release import archive, contents, verify
from master.release.bytecode import compiled, compiler_for
from master.release.delta import MOST, Delta, make_delta
from master.release.lockfile import Pin, read_lock
from master.release.platforms import Platform
from master.release.wheels import BuildError, Progress, wheels_for

ARCHIVE = "release.tar.gz"
_RECORD = "bundle.json"
_FORMAT = 1  # raised when the same input gives another release
_WAIT_S = 0.2
KEPT = 5
"""Releases, and sets of wheels, that the cache keeps for each platform: those last used. About 10 MB each, deltas included."""


@dataclass(frozen=True)
class Release:
    """A release, ready to be sent."""

    name: str
    """Of its directory on a node: the first 16 digits of `digest`."""
    digest: str
    """SHA-256 of its manifest, in hexadecimal; what `.release/verify.py --digest` is given."""
    platform: Platform
    version: str
    """Of piswarm."""
    archive: Path
    archive_sha256: str
    archive_bytes: int
    unpacked_bytes: int
    """Without byte code."""
    code_bytes: int
    """Of the byte code that comes along; 0 where none does."""
    files: int
    is_new: bool
    """Whether it was built just now, rather than found in the cache."""
    deltas: tuple[Delta, ...] = ()
    """For hosts that have another release."""


class _Record(msgspec.Struct, frozen=True):
    """What the cache remembers of a bundle."""

    digest: str
    version: str
    archive_sha256: str
    archive_bytes: int
    unpacked_bytes: int
    code_bytes: int
    files: int


def build(
    platform: Platform,
    lock_file: Path,
    cache: Path,
    *,
    progress: Progress = lambda _: None,
    package: Path | None = None,
    bases: Sequence[str] = (),
    deadline_s: float = 600.0,
) -> Release:
    """The release for `platform`, from `cache` where it was made before; `package` is our own, the one in use unless given.

    For the first few of the releases `bases` that are in the cache too, there are deltas, where these are worth it. Several
    processes may build at once. `progress` is told of each step that may take more than a second. pip ends after `deadline_s`.
    Raises InputError for a wrong lock file, BuildError for all that keeps a release from being made.
    """
    package = Path(worker.__file__).parent if package is None else package
    pins = read_lock(lock_file).for_platform(platform)
    own = contents.files_of_package(package)
    key = _key(platform, pins, own)
    directory = cache / "releases" / f"{platform.arch}-{platform.python}-{key[:16]}"
    try:
        bundle = _cached(directory, platform)
        if bundle is None:
            with _alone(cache / "locks" / f"{platform.arch}-{platform.python}", progress):
                bundle = _cached(directory, platform)
                if bundle is None:
                    wheels = wheels_for(pins, platform, cache / "wheels", progress, deadline_s=deadline_s)
                    progress(f"packing the release for {platform}")
                    bundle = _packed(directory, wheels, own, platform, pins)
                    for kind in ("releases", "wheels"):
                        _forget(cache / kind, platform)
        return replace(bundle, deltas=_deltas(bundle, bases, progress))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise BuildError(
            f"the release can't be made: {where}{error.strerror}", hint=f"check the cache: {cache}"
        ) from None


def _packed(
    directory: Path, wheels: Sequence[Path], own: contents.Files, platform: Platform, pins: tuple[Pin, ...]
) -> Release:
    """The bundle of `wheels` and `own`, put into `directory`. Raises BuildError."""
    files = contents.files_of_wheels(wheels)
    clash = sorted(own.keys() & files.keys())
    if clash:
        raise BuildError(f"a wheel brings {clash[0]}, which is our own")
    files |= own
    contents.check_machine(files, platform)
    compiler = compiler_for(platform)
    record = _write(directory, files, compiled(files, compiler) if compiler else {}, platform, pins)
    os.utime(wheels[0].parent)
    return _bundle(directory, platform, record, is_new=True)


def _deltas(bundle: Release, bases: Sequence[str], progress: Progress) -> tuple[Delta, ...]:
    """For the first few of `bases`. One that can't be made is none: the whole will do."""
    platform = bundle.platform
    cached = {}
    for directory in bundle.archive.parents[1].glob(f"{platform.arch}-{platform.python}-*"):
        with contextlib.suppress(OSError, msgspec.DecodeError):
            cached[_name(_recorded(directory))] = directory / ARCHIVE
    deltas = []
    for base in [base for base in bases if base in cached and base != bundle.name][:MOST]:
        progress(f"comparing the release for {platform} with {base}")
        with contextlib.suppress(OSError, ValueError):
            deltas.append(make_delta(base, cached[base], bundle.archive))
    return tuple(delta for delta in deltas if delta is not None)


def _key(platform: Platform, pins: tuple[Pin, ...], own: contents.Files) -> str:
    """What a release is made from, as one hash."""
    digest = hashlib.sha256()
    for part in (
        _FORMAT,
        archive.LEVEL,
        platform,
        compiler_for(platform) is not None,
        contents.LEFT_OUT,
        contents.SOURCES,
        contents.RARE,
        *(pin.requirement for pin in pins),
    ):
        digest.update(f"{part}\n".encode())
    digest.update(_verify_source())
    for path, data in sorted(own.items()):
        digest.update(f"{path}\0{hashlib.sha256(data).hexdigest()}\n".encode())
    return digest.hexdigest()


def _verify_source() -> bytes:
    return Path(verify.__file__).read_bytes()


def _recorded(directory: Path) -> _Record:
    """What is remembered of the bundle in `directory`. Raises OSError, or DecodeError."""
    return msgspec.json.decode((directory / _RECORD).read_bytes(), type=_Record)


def _name(record: _Record) -> str:
    return record.digest[: verify.NAME_DIGITS]


def _cached(directory: Path, platform: Platform) -> Release | None:
    """The bundle in `directory`, if it is whole."""
    try:
        record = _recorded(directory)
        with (directory / ARCHIVE).open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != record.archive_sha256:
                return None
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    os.utime(directory)
    return _bundle(directory, platform, record, is_new=False)


def _bundle(directory: Path, platform: Platform, record: _Record, *, is_new: bool) -> Release:
    return Release(
        name=_name(record),
        digest=record.digest,
        platform=platform,
        version=record.version,
        archive=directory / ARCHIVE,
        archive_sha256=record.archive_sha256,
        archive_bytes=record.archive_bytes,
        unpacked_bytes=record.unpacked_bytes,
        code_bytes=record.code_bytes,
        files=record.files,
        is_new=is_new,
    )


def _forget(directory: Path, platform: Platform) -> None:
    """Remove what has not been used for longest."""
    found = sorted(directory.glob(f"{platform.arch}-{platform.python}-*"), key=lambda path: path.stat().st_mtime)
    for old in found[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _alone(lock: Path, progress: Progress) -> Iterator[None]:
    """Be the only one that holds `lock`, which its holder's end releases, however it ends."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w", encoding="utf-8") as stream:
        told = False
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    progress("waiting for another process that makes this release")
                    told = True
                time.sleep(_WAIT_S)
        yield


def _write(
    directory: Path, files: dict[str, bytes], code: dict[str, bytes], platform: Platform, pins: tuple[Pin, ...]
) -> _Record:
    """Write the archive and what is known of it, beside `directory`, and put them there when they are whole."""
    files[verify.VERIFY] = _verify_source()
    files[verify.MANIFEST] = manifest = _manifest(files, platform, pins)
    files[verify.CODE] = json.dumps({"files": _listed(code)}, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    partial = directory.with_name(f"partial-{directory.name}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        archive.write(files | code, partial / ARCHIVE)
        with (partial / ARCHIVE).open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        record = _Record(
            digest=hashlib.sha256(manifest).hexdigest(),
            version=worker.__version__,
            archive_sha256=sha256,
            archive_bytes=(partial / ARCHIVE).stat().st_size,
            unpacked_bytes=sum(map(len, files.values())),
            code_bytes=sum(map(len, code.values())),
            files=len(files),
        )
        (partial / _RECORD).write_bytes(msgspec.json.encode(record))
        shutil.rmtree(directory, ignore_errors=True)  # a broken one, or there would have been nothing to do
        partial.rename(directory)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return record


def _listed(files: contents.Files) -> dict[str, tuple[int, str]]:
    return {path: (len(data), hashlib.sha256(data).hexdigest()) for path, data in files.items()}


def _manifest(files: contents.Files, platform: Platform, pins: tuple[Pin, ...]) -> bytes:
    manifest = {
        "schema": verify.SCHEMA,
        "piswarm": worker.__version__,
        "arch": platform.arch,
        "python": platform.python,
        "packages": {pin.name: pin.version for pin in pins},
        "files": _listed(files),
    }
    return json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode() + b"\n"
