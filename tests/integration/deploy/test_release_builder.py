"""Releases are made from small wheels by the real pip, reproducible and cached, and failures name their cause."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from wheels import make_wheel, shared_library

from master.release import builder
from master.release.builder import MAX_CACHED, Release, build
from master.release.bytecode import _cache_tag, find_compiler
from master.release.platforms import Platform
from master.release.wheels import BuildError

PI = Platform("aarch64", "3.13")
OTHER = "3.13" if sys.version_info[:2] == (3, 11) else "3.11"
"""A Python that is not this one."""
PI_TAG = "cp313-cp313-manylinux_2_28_aarch64"
BUILD = """
import os, signal, sys
from pathlib import Path
from master.release.builder import build
from master.release.platforms import Platform
from master.errors import PiswarmError
lock, cache, package, deadly = sys.argv[1:]
def progress(text):
    print(text, flush=True)
    if deadly and text.startswith(deadly):
        os.kill(os.getpid(), signal.SIGKILL)
try:
    print(build(Platform("aarch64", "3.13"), Path(lock), Path(cache), package=Path(package), progress=progress).digest)
except PiswarmError as error:
    sys.exit(f"{error}; {error.hint}")
"""


@dataclass
class Workshop:
    """An index with two packages, a lock file, a package to release, and a cache."""

    root: Path
    said: list[str] = field(default_factory=list)

    @property
    def index(self) -> Path:
        return self.root / "index"

    @property
    def lock(self) -> Path:
        return self.root / "requirements-node.lock"

    @property
    def package(self) -> Path:
        return self.root / "own" / "worker"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    def build(self, cache: str = "cache", bases: Sequence[str] = (), requirements: Path | None = None) -> Release:
        return build(
            PI,
            self.lock,
            self.root / cache,
            package=self.package,
            requirements=requirements,
            bases=bases,
            progress=self.said.append,
        )

    def start(self, deadly: str = "", cache: Path | None = None, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        """Start a build in a process of its own, which kills itself at the step that begins with `deadly`."""
        arguments = [str(self.lock), str(cache or self.cache), str(self.package), deadly]
        command = [*before, sys.executable, "-c", BUILD, *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    shop = Workshop(tmp_path)
    pure = {
        "pure/__init__.py": "x = 1\n",
        "pure-1.0.data/scripts/pure": "#!python\n",
        "pure-1.0.data/purelib/more.py": "\n",
    }
    text = make_wheel(shop.index, "pure", {**pure, "pure/__pycache__/x.cpython-313.pyc": b"x", "pure/tests/x.py": ""})
    text += make_wheel(shop.index, "fast", {"fast.so": shared_library("aarch64")}, PI_TAG)
    make_wheel(shop.index, "fast", {"fast.so": shared_library("x86_64")}, PI_TAG.replace("aarch64", "x86_64"))
    shop.lock.write_text(text)
    shop.package.mkdir(parents=True)
    (shop.package / "__init__.py").write_text("")
    (shop.package / "node.py").write_text("print('up')\n")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shop.index))
    return shop


def test_a_release_has_what_is_imported_and_no_more(workshop: Workshop) -> None:
    """A release has what is imported, without scripts, foreign byte code and file lists, and with fixed owner, times and modes."""
    release = workshop.build()
    with tarfile.open(release.archive) as archive:
        entries = archive.getmembers()
    assert [entry.name for entry in entries if entry.isfile() and "__pycache__" not in entry.name] == [
        ".release/code.json", ".release/manifest.json", ".release/verify.py",
        "fast-1.0.dist-info/METADATA", "fast-1.0.dist-info/WHEEL", "fast.so", "more.py",
        "pure-1.0.dist-info/METADATA", "pure-1.0.dist-info/WHEEL", "pure/__init__.py", "pure/tests/x.py",
        "worker/__init__.py", "worker/node.py",
    ]  # fmt: skip
    assert {(entry.uid, entry.gid, entry.mtime, entry.uname) for entry in entries} == {(0, 0, 315532800, "")}
    assert {entry.mode for entry in entries if entry.isfile()} == {0o644}
    assert {entry.mode for entry in entries if entry.isdir()} == {0o755}
    assert (release.name, release.files) == (release.digest[:16], 13)
    assert workshop.said[0] == "fetching 2 wheels for aarch64, Python 3.13"
    assert workshop.said[-1].startswith("packing")


def test_an_operators_requirements_are_part_of_a_release(workshop: Workshop) -> None:
    """Packages that an operator's file pins are in the release, in the nodes' wheels, which is another release than without them."""
    plain = workshop.build()
    more = workshop.root / "requirements.txt"
    more.write_text(make_wheel(workshop.index, "shop", {"shop/fast.so": shared_library("aarch64")}, PI_TAG))
    release = workshop.build(requirements=more)
    assert release.name != plain.name
    with tarfile.open(release.archive) as archive:
        names = archive.getnames()
    assert {"shop/fast.so", "fast.so", "worker/node.py"} <= set(names)
    more.write_text(make_wheel(workshop.index, "other", {"other.so": b""}, PI_TAG.replace("aarch64", "x86_64")))
    with pytest.raises(BuildError, match="the package index has no such wheel"):
        workshop.build(requirements=more)


def test_the_same_input_gives_the_same_bytes(workshop: Workshop) -> None:
    """The same input gives the same archive at any time and place, and under any umask."""
    first = workshop.build()
    moved = workshop.root / "moved" / "worker"
    moved.mkdir(parents=True)
    for path in sorted(workshop.package.iterdir(), reverse=True):
        (moved / path.name).write_bytes(path.read_bytes())
        os.utime(moved / path.name, (1, 1))
    mask = os.umask(0o077)
    try:
        second = build(PI, workshop.lock, workshop.root / "other", package=moved)
    finally:
        os.umask(mask)
    assert (second.digest, second.archive_sha256) == (first.digest, first.archive_sha256)
    assert second.archive.read_bytes() == first.archive.read_bytes()
    assert second.archive != first.archive


def test_what_was_built_is_found_again(workshop: Workshop) -> None:
    """A built release is found again without an index, and another version of the package uses the wheels in the cache."""
    first = workshop.build()
    shutil.rmtree(workshop.index)
    again = workshop.build()
    assert (first.is_new, again.is_new, again.digest) == (True, False, first.digest)
    (workshop.package / "node.py").write_text("print('up again')\n")
    changed = workshop.build()
    assert changed.is_new
    assert changed.digest != first.digest
    (workshop.package / "node.py").write_text("print('up')\n")
    assert workshop.build().digest == first.digest


def test_byte_code_for_the_python_that_is_here(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Byte code for this machine's Python is added, reproducible and used by Python, and does not change the release's name."""
    here = Platform("aarch64", f"{sys.version_info.major}.{sys.version_info.minor}")
    sources = {"one/__init__.py": "x = {1, 'a', None}", "one/no.py": "def broken(:", "one/data.txt": "x"}
    workshop.lock.write_text(make_wheel(workshop.index, "one", sources))

    def built(cache: str) -> Release:
        return build(here, workshop.lock, workshop.root / cache, package=workshop.package)

    first = built("first")
    assert built("second").archive_sha256 == first.archive_sha256
    release = workshop.root / "release"
    release.mkdir()
    subprocess.run(["tar", "-xzf", first.archive, "-C", release], check=True)
    code = sorted(path.relative_to(release).as_posix() for path in release.rglob("*.pyc"))
    tag = sys.implementation.cache_tag
    assert code == [
        f"{path}.{tag}.pyc"
        for path in (
            "one/__pycache__/__init__",
            "worker/__pycache__/__init__",
            "worker/__pycache__/node",
        )
    ]
    changed = release / "one/__init__.py"
    made = changed.stat()
    changed.write_text("x = {2, 'a', None}")
    os.utime(changed, ns=(made.st_atime_ns, made.st_mtime_ns))
    said = subprocess.run(
        [sys.executable, "-c", "import one; print(1 in one.x)"], cwd=release, capture_output=True, text=True, check=True
    )
    assert said.stdout == "True\n"
    assert json.loads((release / ".release/code.json").read_text())["files"].keys() == set(code)
    monkeypatch.setattr(builder, "find_compiler", lambda _: None)
    without = built("first")
    assert (without.name, without.is_new, without.code_bytes) == (first.name, True, 0)
    assert without.archive_bytes < first.archive_bytes


def test_a_python_that_does_not_run_makes_no_byte_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python that does not run, or is another version than its name says, makes no byte code."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_compiler(Platform("aarch64", OTHER)) is None
    program = tmp_path / f"python{OTHER}"
    tag = f"cpython-{OTHER.replace('.', '')}"
    for text, found in (("exit 127", None), ("no program", None), ("echo cpython-310", None), (f"echo {tag}", program)):
        program.write_text(f"#!/bin/sh\n{text}\n" if text != "no program" else text)
        program.chmod(0o755)
        _cache_tag.cache_clear()
        assert find_compiler(Platform("aarch64", OTHER)) == (found and str(found))
    _cache_tag.cache_clear()


def test_what_another_release_lacks(workshop: Workshop) -> None:
    """A delta to another release in the cache has the manifest and what is new or changed, and is made once."""
    first = workshop.build()
    (workshop.package / "node.py").write_text("print('up again')\n")
    (workshop.package / "new.py").write_text("")
    (delta,) = workshop.build(bases=[first.name, "0" * 16]).deltas
    assert delta.base == first.name
    with tarfile.open(delta.archive) as archive:
        names = [entry.name for entry in archive.getmembers() if entry.isfile()]
    of_all = [".release/code.json", ".release/manifest.json", ".release/verify.py"]
    assert [name for name in names if "__pycache__" not in name] == [*of_all, "worker/new.py", "worker/node.py"]
    made = delta.archive.stat().st_mtime_ns
    second = workshop.build(bases=[first.name])
    assert (second.deltas, delta.archive.stat().st_mtime_ns) == ((delta,), made)
    content = delta.archive.read_bytes()
    delta.archive.write_bytes(content[:-20])
    assert workshop.build(bases=[first.name]).deltas == (delta,)
    assert delta.archive.read_bytes() == content
    assert workshop.build("other", bases=[first.name]).deltas == ()
    assert workshop.build(bases=[second.name]).deltas == ()


def test_what_another_release_lacks_is_most_of_it(workshop: Workshop) -> None:
    """No delta is made when most of a release is new, or when the other release can't be read."""
    first = workshop.build()
    (workshop.package / "data.bin").write_bytes(os.urandom(20_000))
    assert workshop.build(bases=[first.name]).deltas == ()
    (workshop.package / "data.bin").unlink()
    (workshop.package / "node.py").write_text("print('up again')\n")
    for damaged in (first.archive.read_bytes()[:200], b""):
        first.archive.write_bytes(damaged)
        assert workshop.build(bases=[first.name]).deltas == ()


def test_the_cache_keeps_what_was_used_last(workshop: Workshop) -> None:
    """The cache keeps the releases used last, so that changes of the code don't fill a controller's disk."""
    first = workshop.build()
    for number in range(MAX_CACHED):
        os.utime(first.archive.parent, (number, number))  # long ago
        (workshop.package / "node.py").write_text(f"print({number})\n")
        newest = workshop.build()
    kept = {path.name for path in workshop.cache.glob("releases/*")}
    assert len(kept) == MAX_CACHED
    assert newest.archive.parent.name in kept
    assert first.archive.parent.name not in kept
    assert len(list(workshop.cache.glob("wheels/*"))) == 1


def test_a_broken_archive_in_the_cache_is_made_again(workshop: Workshop) -> None:
    """A broken archive in the cache, as a full disk or a power cut leaves, is made again."""
    first = workshop.build()
    whole = first.archive.read_bytes()
    first.archive.write_bytes(whole[:-100])
    again = workshop.build()
    assert again.is_new
    assert again.archive.read_bytes() == whole


@pytest.mark.parametrize("step", ["fetching", "wheel 2", "packing"])
def test_a_build_that_is_killed_leaves_nothing_that_looks_whole(workshop: Workshop, step: str) -> None:
    """A build that is killed leaves nothing that looks whole, and the next build is not affected."""
    killed = workshop.start(deadly=step)
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert not list(workshop.cache.glob("releases/*/release.json"))
    assert workshop.build().digest == workshop.build("other").digest


def test_builds_at_once_do_each_other_no_harm(workshop: Workshop) -> None:
    """Of builds at once one makes the release, and the others wait for it and return the same."""
    builds = [workshop.start() for _ in range(3)]
    outputs = [one.communicate(timeout=120)[0] for one in builds]
    assert [one.returncode for one in builds] == [0, 0, 0], outputs
    assert {output.splitlines()[-1] for output in outputs} == {workshop.build().digest}
    assert sum("packing" in output for output in outputs) == 1


def refusal(workshop: Workshop) -> str:
    with pytest.raises(BuildError) as caught:
        workshop.build()
    assert not list(workshop.cache.glob("releases/*"))
    return f"{caught.value}; {caught.value.hint}"


def test_a_wheel_that_was_changed_is_refused(workshop: Workshop) -> None:
    """A wheel that was changed is refused, by pip at the index and by piswarm in the cache."""
    workshop.build()
    (cached,) = workshop.cache.glob("wheels/*/pure-*.whl")
    cached.write_bytes(cached.read_bytes() + b"x")
    shutil.rmtree(workshop.cache / "releases")
    assert "pure-1.0-py3-none-any.whl has not a hash of the lock file; remove " in refusal(workshop)
    shutil.rmtree(workshop.cache)
    original = workshop.index / cached.name
    original.write_bytes(original.read_bytes() + b"x")
    assert "a file has not the hash that the lock file pins" in refusal(workshop)


def test_an_index_that_can_not_be_reached(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package index that can't be reached is named as the cause."""
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    message = refusal(workshop)
    assert "the package index can't be reached" in message
    assert "check the network" in message


def test_a_wheel_that_there_is_not(workshop: Workshop) -> None:
    """A wheel that the index does not have, as for a platform, is named as the cause."""
    (workshop.index / f"fast-1.0-{PI_TAG}.whl").unlink()
    assert "the package index has no such wheel" in refusal(workshop)


def test_a_library_for_another_machine(workshop: Workshop) -> None:
    """A library for another machine is refused, whatever its wheel's name says."""
    pinned = make_wheel(workshop.index, "liar", {"liar/x.so": shared_library("x86_64")})
    workshop.lock.write_text(workshop.lock.read_text() + pinned)
    assert "liar/x.so is not for aarch64" in refusal(workshop)


def test_wheels_that_do_not_go_together(workshop: Workshop) -> None:
    """Wheels are refused that bring the same file, a file of piswarm's own, or a path outside of the release."""
    text = workshop.lock.read_text()
    for path, reason in (
        ("pure/__init__.py", "both bring pure/__init__.py, and differ"),
        ("worker/node.py", "a wheel brings worker/node.py, which is our own"),
        ("../x.py", "would lie outside of the release"),
    ):
        workshop.lock.write_text(text + make_wheel(workshop.index, "odd", {path: "y"}))
        assert reason in refusal(workshop)


def test_a_full_disk(workshop: Workshop) -> None:
    """A full disk is named as the cause; a small file system stands for the disk where one can be mounted."""
    cache = workshop.root / "small"
    cache.mkdir()
    mount = f'mount -t tmpfs -o size=200k tmpfs {cache} && exec "$@"'
    alone = ("unshare", "--mount", "--map-root-user", "sh", "-c", mount, "sh")
    try:
        subprocess.run([*alone, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be mounted here: {error}")
    (workshop.package / "large.bin").write_bytes(os.urandom(400_000))
    full = workshop.start(cache=cache, before=alone)
    output, _ = full.communicate(timeout=60)
    assert full.returncode == 1
    assert "No space left on device" in output
    assert "check the cache" in output
