"""Builds a release: one compressed archive of unpacked packages per platform, named by the hash of its content.

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
from master.release.bytecode import compile_sources, find_compiler
from master.release.delta import MAX_DELTAS, Delta, make_delta
from master.release.lockfile import Pin, read_lock, read_requirements, with_requirements
from master.release.platforms import Platform
from master.release.wheels import BuildError, Progress, fetch_wheels

ARCHIVE = "release.tar.gz"
_RECORD = "release.json"
_FORMAT = 1  # raised when the same input gives another release
_WAIT_S = 0.2
MAX_CACHED = 5
"""Releases, and sets of wheels, that the cache keeps for each platform, the last used ones. About 10 MB each, deltas included."""


@dataclass(frozen=True)
class Release:
    """A release of one platform, ready to be sent to its nodes."""

    name: str
    """Name of its directory on a node: the first 16 digits of `digest`."""
    digest: str
    """SHA-256 of its manifest, in hexadecimal, for `.release/verify.py --digest`."""
    platform: Platform
    version: str
    """Version of piswarm."""
    archive: Path
    archive_sha256: str
    archive_bytes: int
    unpacked_bytes: int
    """Size of all files without byte code."""
    code_bytes: int
    """Size of the byte code in the archive; 0 where there is none."""
    files: int
    is_new: bool
    """True for one that was built now, False for one from the cache."""
    deltas: tuple[Delta, ...] = ()
    """Smaller archives for hosts that have another release."""


class _Record(msgspec.Struct, frozen=True):
    """Description of a cached release, in release.json beside its archive."""

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
    requirements: Path | None = None,
    bases: Sequence[str] = (),
    deadline_s: float = 600.0,
) -> Release:
    """Return the release for `platform`, from `cache` where it was built before. `package` is the folder of `worker`, by default the imported one.

    `requirements` is a file of the operator's with more packages, pinned and with hashes.
    For the first few of the releases `bases` that are in the cache too, there are deltas, where these are worth it. Several
    processes may build at once. `progress` is called before each step that may take more than a second. pip is ended after `deadline_s`.
    Raises InputError for a wrong lock file, BuildError for all that keeps a release from being made.
    """
    package = Path(worker.__file__).parent if package is None else package
    pins = read_lock(lock_file).for_platform(platform)
    if requirements is not None:
        pins = with_requirements(read_lock(lock_file), read_requirements(requirements), platform)
    own = contents.files_of_package(package)
    key = _key(platform, pins, own)
    directory = cache / "releases" / f"{platform.arch}-{platform.python}-{key[:16]}"
    try:
        release = _find_cached(directory, platform)
        if release is None:
            with _locked(cache / "locks" / f"{platform.arch}-{platform.python}", progress):
                release = _find_cached(directory, platform)
                if release is None:
                    wheels = fetch_wheels(pins, platform, cache / "wheels", progress, deadline_s=deadline_s)
                    progress(f"packing the release for {platform}")
                    release = _pack(directory, wheels, own, platform, pins)
                    for kind in ("releases", "wheels"):
                        _prune(cache / kind, platform)
        return replace(release, deltas=_deltas(release, bases, progress))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise BuildError(
            f"the release can't be made: {where}{error.strerror}", hint=f"check the cache: {cache}"
        ) from None


def _pack(
    directory: Path, wheels: Sequence[Path], own: contents.Files, platform: Platform, pins: tuple[Pin, ...]
) -> Release:
    """Write the release of `wheels` and `own` into `directory`. Raises BuildError."""
    files = contents.files_of_wheels(wheels)
    clash = sorted(own.keys() & files.keys())
    if clash:
        raise BuildError(f"a wheel brings {clash[0]}, which is our own")
    files |= own
    contents.check_machine(files, platform)
    compiler = find_compiler(platform)
    record = _write_release(directory, files, compile_sources(files, compiler) if compiler else {}, platform, pins)
    os.utime(wheels[0].parent)
    return _to_release(directory, platform, record, is_new=True)


def _deltas(release: Release, bases: Sequence[str], progress: Progress) -> tuple[Delta, ...]:
    """Deltas for the first MAX_DELTAS of `bases`. One that can't be made is left away: nodes then get the whole release."""
    platform = release.platform
    cached = {}
    for directory in release.archive.parents[1].glob(f"{platform.arch}-{platform.python}-*"):
        with contextlib.suppress(OSError, msgspec.DecodeError):
            cached[_name(_read_record(directory))] = directory / ARCHIVE
    deltas = []
    for base in [base for base in bases if base in cached and base != release.name][:MAX_DELTAS]:
        progress(f"comparing the release for {platform} with {base}")
        with contextlib.suppress(OSError, ValueError):
            deltas.append(make_delta(base, cached[base], release.archive))
    return tuple(delta for delta in deltas if delta is not None)


def _key(platform: Platform, pins: tuple[Pin, ...], own: contents.Files) -> str:
    """SHA-256 of everything that a release is made from."""
    digest = hashlib.sha256()
    for part in (
        _FORMAT,
        archive.GZIP_LEVEL,
        platform,
        find_compiler(platform) is not None,
        contents.EXCLUDED,
        contents.SOURCE_SUFFIXES,
        contents.WITHOUT_BYTE_CODE,
        *(pin.requirement for pin in pins),
    ):
        digest.update(f"{part}\n".encode())
    digest.update(_verify_source())
    for path, data in sorted(own.items()):
        digest.update(f"{path}\0{hashlib.sha256(data).hexdigest()}\n".encode())
    return digest.hexdigest()


def _verify_source() -> bytes:
    return Path(verify.__file__).read_bytes()


def _read_record(directory: Path) -> _Record:
    """Description of the release in `directory`. Raises OSError, or DecodeError."""
    return msgspec.json.decode((directory / _RECORD).read_bytes(), type=_Record)


def _name(record: _Record) -> str:
    return record.digest[: verify.NAME_DIGITS]


def _find_cached(directory: Path, platform: Platform) -> Release | None:
    """The release in `directory`; None where it is absent or damaged."""
    try:
        record = _read_record(directory)
        with (directory / ARCHIVE).open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != record.archive_sha256:
                return None
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    os.utime(directory)
    return _to_release(directory, platform, record, is_new=False)


def _to_release(directory: Path, platform: Platform, record: _Record, *, is_new: bool) -> Release:
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


def _prune(directory: Path, platform: Platform) -> None:
    """Remove all but the last used directories of `platform`."""
    found = sorted(directory.glob(f"{platform.arch}-{platform.python}-*"), key=lambda path: path.stat().st_mtime)
    for old in found[:-MAX_CACHED]:
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _locked(lock: Path, progress: Progress) -> Iterator[None]:
    """Hold `lock` exclusively. The kernel releases it when the process ends, however it ends."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w", encoding="utf-8") as stream:
        reported = False
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not reported:
                    progress("waiting for another process that makes this release")
                    reported = True
                time.sleep(_WAIT_S)
        yield


def _write_release(
    directory: Path, files: dict[str, bytes], code: dict[str, bytes], platform: Platform, pins: tuple[Pin, ...]
) -> _Record:
    """Write archive and description to a temporary directory, and rename it to `directory`."""
    files[verify.VERIFY] = _verify_source()
    files[verify.MANIFEST] = manifest = _manifest(files, platform, pins)
    files[verify.CODE] = json.dumps({"files": _digests(code)}, sort_keys=True, separators=(",", ":")).encode() + b"\n"
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


def _digests(files: contents.Files) -> dict[str, tuple[int, str]]:
    return {path: (len(data), hashlib.sha256(data).hexdigest()) for path, data in files.items()}


def _manifest(files: contents.Files, platform: Platform, pins: tuple[Pin, ...]) -> bytes:
    manifest = {
        "schema": verify.SCHEMA,
        "piswarm": worker.__version__,
        "arch": platform.arch,
        "python": platform.python,
        "packages": {pin.name: pin.version for pin in pins},
        "files": _digests(files),
    }
    return json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode() + b"\n"
