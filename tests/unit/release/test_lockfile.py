"""The nodes' lock file: which packages it pins for which platform, and what is refused."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

from master.errors import InputError
from master.release.lockfile import read_lock, read_requirements, with_requirements
from master.release.platforms import PLATFORMS, Platform

ROOT = Path(__file__).parents[3]
HASH = "0" * 64
PI = Platform("aarch64", "3.11")


def lock(directory: Path, text: str) -> Path:
    file = directory / "requirements-node.lock"
    file.write_text(text)
    return file


def names(file: Path, platform: Platform) -> list[str]:
    return [pin.name for pin in read_lock(file).for_platform(platform)]


def test_markers_are_those_of_the_node(tmp_path: Path) -> None:
    """Markers are evaluated for the node, and not for the controller's system or Python."""
    file = lock(
        tmp_path,
        f"""# a comment
everywhere==1.0 \\
    --hash=sha256:{HASH}  # and another
Old_One==2 ; python_full_version < '3.12' --hash=sha256:{HASH}
new==3 ; python_version >= "3.12" \\
    --hash=sha256:{HASH} \\
    --hash=sha256:{"1" * 64}
windows==4 ; sys_platform == 'win32' --hash=sha256:{HASH}
pi==5 ; platform_machine == 'aarch64' --hash=sha256:{HASH}
""",
    )
    assert names(file, PI) == ["everywhere", "old-one", "pi"]
    assert names(file, Platform("x86_64", "3.13")) == ["everywhere", "new"]
    (new,) = (pin for pin in read_lock(file).pins if pin.name == "new")
    assert new.requirement == f"new==3 --hash=sha256:{HASH} --hash=sha256:{'1' * 64}"


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("\n\na==1\n", 3, "must have sha256 hashes"),
        (f"a==1 --hash=md5:{HASH}\n", 1, "must have sha256 hashes"),
        (f"a==1 --hash=sha256:{HASH} --global-option=x\n", 1, "must have sha256 hashes"),
        (f"a>=1 --hash=sha256:{HASH}\n", 1, "pins no package to one version"),
        (f"# b\na @ https://example.org/a.whl \\\n --hash=sha256:{HASH}\n", 2, "pins no package to one version"),
        ("--index-url https://example.org\n", 1, "pins no package to one version"),
        (f"a==1 --hash=sha256:{HASH}\na==2 --hash=sha256:{HASH}\n", 2, "is there twice (first on line 1)"),
        (f"a==1 ; whatever --hash=sha256:{HASH}\n", 1, "is no marker"),
        (f"a==1 ; python_full_version < '3.11.4' --hash=sha256:{HASH}\n", 1, "depends on the patch version"),
        ("# nothing\n", 1, "pins nothing"),
    ],
)
def test_refused_with_the_line(tmp_path: Path, text: str, line: int, reason: str) -> None:
    """A line that pins no package to one version with sha256 hashes is refused with its number."""
    file = lock(tmp_path, text)
    with pytest.raises(InputError, match=re.escape(reason)) as caught:
        read_lock(file).for_platform(PI)
    assert str(caught.value).startswith(f"{file}:{line}: ")


def test_a_lock_file_that_is_not_there(tmp_path: Path) -> None:
    """A missing lock file is refused as unreadable."""
    with pytest.raises(InputError, match="can't be read"):
        read_lock(tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "extras"),
    [
        ("requirements-node.lock", ()),
        ("requirements-node-database.lock", ("database",)),
        ("requirements-node-tracing.lock", ("database", "tracing")),
    ],
)
def test_nodes_run_the_versions_that_are_tested(name: str, extras: Sequence[str]) -> None:
    """The nodes' lock files hold all that a node needs, in the versions of the project's own lock file, and name no host."""
    text = (ROOT / name).read_text()
    assert "://" not in text
    # What .ci/run installs, the project's own lock file last: where it pins a package, its version counts.
    installed = "".join((ROOT / each).read_text() for each in ("requirements-node-tracing.lock", "requirements.lock"))
    tested = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", installed, re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *(each for extra in extras for each in project["optional-dependencies"][extra])]
    wanted = {re.split(r"[<>=\s\[]", dependency)[0] for dependency in needed}
    pins = read_lock(ROOT / name)
    for platform in PLATFORMS:
        versions = {pin.name: pin.version for pin in pins.for_platform(platform)}
        assert wanted <= versions.keys()
        assert versions == {name: tested[name] for name in versions}


@pytest.mark.parametrize(("arch", "python"), [("armv7l", "3.11"), ("aarch64", "3.12"), ("", "")])
def test_other_machines_are_refused(arch: str, python: str) -> None:
    """A platform without releases is refused with those that are supported."""
    with pytest.raises(ValueError, match=r"is not supported.*: (aarch64, x86_64|3.11, 3.13)"):
        Platform(arch, python)


def test_an_operators_requirements_are_added_to_those_of_a_release(tmp_path: Path) -> None:
    """More packages join a release's; what both pin to one version is there once, with the release's hashes."""
    (tmp_path / "node.lock").write_text(f"a==1 --hash=sha256:{'0' * 64}\nb==2 --hash=sha256:{'1' * 64}\n")
    more = tmp_path / "more.txt"
    more.write_text(f"B==2 --hash=sha256:{'2' * 64}\nc==3 --hash=sha256:{'3' * 64}\n")
    pins = with_requirements(read_lock(tmp_path / "node.lock"), read_requirements(more), PI)
    assert [(pin.name, pin.version) for pin in pins] == [("a", "1"), ("b", "2"), ("c", "3")]
    assert pins[1].hashes == {"1" * 64}


def test_requirements_that_a_release_can_not_have_are_refused_with_the_line(tmp_path: Path) -> None:
    """Another version than a release's, and what is not pinned with hashes, is the operator's to mend."""
    (tmp_path / "node.lock").write_text(f"a==1 --hash=sha256:{'0' * 64}\n")
    more = tmp_path / "more.txt"
    more.write_text(f"x==1 --hash=sha256:{'2' * 64}\na==2 --hash=sha256:{'2' * 64}\n")
    with pytest.raises(InputError, match=r"more\.txt:2: pins a 2, and a release has 1 of it") as caught:
        with_requirements(read_lock(tmp_path / "node.lock"), read_requirements(more), PI)
    assert caught.value.hint == "pin a==1: node.lock as constraints does it"
    for text in ("numpy\n", "numpy==2.0\n", "-r other.txt\n", "numpy>=2 --hash=sha256:" + "0" * 64):
        more.write_text(text)
        with pytest.raises(InputError, match=r"more\.txt:1: ") as caught:
            read_requirements(more)
        assert "uv pip compile --generate-hashes" in caught.value.hint
