"""A release is whole, or its faults are named, by a program that needs nothing but Python."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from master.release import verify


@pytest.fixture
def release(tmp_path: Path) -> Path:
    root = tmp_path / "release"
    (root / "worker" / "agent").mkdir(parents=True)
    (root / "worker" / "telemetry" / "pi").mkdir(parents=True)
    (root / ".release").mkdir()
    files = {
        "worker/__init__.py": b"",
        "worker/agent/node.py": b"print('up')\n",
        "worker/telemetry/pi/chain.py": b"x = 1\n",
        verify.VERIFY: Path(verify.__file__).read_bytes(),
    }
    for path, data in files.items():
        (root / path).write_bytes(data)
    manifest = {
        "schema": verify.SCHEMA,
        "arch": platform.machine(),
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "files": {path: [len(data), hashlib.sha256(data).hexdigest()] for path, data in files.items()},
    }
    (root / verify.MANIFEST).write_text(json.dumps(manifest))
    return root


def digest(release: Path) -> str:
    return hashlib.sha256((release / verify.MANIFEST).read_bytes()).hexdigest()


def test_a_whole_release(release: Path) -> None:
    """A whole release has no faults, also once it is marked as complete."""
    assert verify.problems(release, digest=digest(release)) == []
    (release / ".complete").touch()
    assert verify.problems(release, digest=digest(release)) == []


def test_the_program_on_a_node(release: Path) -> None:
    """On a node the program ends with 0 and the manifest's hash, or with 1 and the faults."""
    command = [sys.executable, "-I", str(release / verify.VERIFY), "--digest", digest(release)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{digest(release)} is whole\n", "")
    (release / "worker/agent/node.py").write_bytes(b"print('no')\n")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "worker/agent/node.py: has another content\n")


def test_each_thing_that_is_wrong_is_named(release: Path) -> None:
    """All faults of a release are named at once."""
    (release / "worker/agent/node.py").write_bytes(b"print('up')")
    (release / "worker/__init__.py").unlink()
    (release / "worker/telemetry/pi/chain.py").unlink()
    (release / "worker/telemetry/pi/chain.py").symlink_to("../node.py")
    (release / "extra.py").touch()
    (release / "outside").symlink_to("/etc")
    assert verify.problems(release) == [
        "worker/__init__.py: is missing",
        "worker/agent/node.py: 11 bytes instead of 12",
        "worker/telemetry/pi/chain.py: is a link",
        "extra.py: does not belong to the release",
        "outside: does not belong to the release",
    ]


def test_byte_code_is_let_pass_only_where_asked_and_beside_its_source(release: Path) -> None:
    """Byte code is accepted only where asked for and beside its source, where Python writes it on import."""
    subprocess.run(
        [sys.executable, "-c", "import worker.agent.node"], cwd=release, check=True, env={"PATH": os.environ["PATH"]}
    )
    assert verify.problems(release)
    assert verify.problems(release, compiled=True) == []
    (release / "worker/__pycache__/other.cpython-311.pyc").touch()
    assert verify.problems(release, compiled=True) == [
        "worker/__pycache__/other.cpython-311.pyc: does not belong to the release"
    ]


def test_byte_code_that_came_with_the_release_is_verified(release: Path) -> None:
    """Byte code shipped with a release is verified by a list of its own, and a list that can't be read is a fault."""
    code = release / "worker/__pycache__/node.cpython-311.pyc"
    code.parent.mkdir()
    code.write_bytes(b"code")
    listed = {"worker/__pycache__/node.cpython-311.pyc": [4, hashlib.sha256(b"code").hexdigest()]}
    (release / verify.CODE).write_text(json.dumps({"files": listed}))
    assert verify.problems(release, digest=digest(release), compiled=True) == []
    assert verify.problems(release) == [f"{code.relative_to(release)}: does not belong to the release"]
    code.write_bytes(b"cold")
    assert verify.problems(release, compiled=True) == [f"{code.relative_to(release)}: has another content"]
    code.unlink()
    assert verify.problems(release, compiled=True) == [f"{code.relative_to(release)}: is missing"]
    for text in ("", "{}", "[]", '{"files": 1}', '{"files": {"a": 1}}'):
        (release / verify.CODE).write_text(text)
        assert verify.problems(release, compiled=True)[0].startswith(".release/code.json: can't be read: ")


def test_another_release_or_another_machine(release: Path) -> None:
    """A sound release that is another one, or made for another machine, is refused as such."""
    assert verify.problems(release, digest="0" * 64) == [".release/manifest.json: is another release's"]
    manifest = json.loads((release / verify.MANIFEST).read_text())
    (release / verify.MANIFEST).write_text(json.dumps({**manifest, "arch": "riscv64", "python": "3.9"}))
    (wrong,) = verify.problems(release)
    assert wrong.startswith("made for riscv64 and Python 3.9; this is ")
    assert verify.problems(release, here=False) == []


@pytest.mark.parametrize("text", [None, "", "[]", '{"files": {"a": 1}}', '{"files": []}'])
def test_a_manifest_that_is_none(release: Path, text: str | None) -> None:
    """A manifest that is missing or damaged is a fault of the release."""
    if text is None:
        (release / verify.MANIFEST).unlink()
    else:
        (release / verify.MANIFEST).write_text(text)
    (wrong,) = verify.problems(release)
    assert wrong.startswith(".release/manifest.json: can't be read: ")


def test_a_release_with_everything_wrong_is_told_in_few_words(release: Path) -> None:
    """A release with a thousand faults is reported in few lines, so that a node fills no screen and no log."""
    for number in range(1000):
        (release / f"{number}.py").touch()
    assert len(verify.problems(release)) < 25
