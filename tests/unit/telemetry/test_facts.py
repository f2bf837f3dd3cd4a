"""What a machine's facts say of its board and software, and that none of them is empty."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.telemetry.facts import (
    MAX_CHARACTERS,
    clean_line,
    parse_os_name,
    parse_revision,
    read_model,
    read_revision,
    read_software,
)


@pytest.mark.parametrize(
    ("os_release", "name"),
    [
        ('NAME="x"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n', "Debian GNU/Linux 13 (trixie)"),
        ("PRETTY_NAME='Arch Linux ARM'", "Arch Linux ARM"),
        ("PRETTY_NAME=Alpine", "Alpine"),
        ('PRETTY_NAME="never ends', '"never ends'),
        ('PRETTY_NAME=""\n', None),
        ("PRETTY_NAME=\n", None),
        ("# PRETTY_NAME=no\n", None),
        ("", None),
    ],
)
def test_a_system_has_the_name_that_it_gives_itself(os_release: str, name: str | None) -> None:
    """A system's name is read from os-release without its quotes, and an empty name is none."""
    assert parse_os_name(os_release) == name


def test_a_revision_is_read_from_the_device_tree_or_else_from_cpuinfo(tmp_path: Path) -> None:
    """A revision is read from the device tree, the only source with some kernels, or else from cpuinfo."""
    assert read_revision(tmp_path) == "unknown"
    (tmp_path / "proc/device-tree/system").mkdir(parents=True)
    (tmp_path / "proc/cpuinfo").write_text("CPU revision\t: 3\n\nRevision\t: c03115\nModel\t\t: x\n")
    assert read_revision(tmp_path) == "c03115"
    (tmp_path / "proc/device-tree/system/linux,revision").write_bytes(bytes.fromhex("00d04170"))
    assert read_revision(tmp_path) == "d04170"
    (tmp_path / "proc/device-tree/system/linux,revision").write_bytes(b"??")
    assert read_revision(tmp_path) == "c03115"


def test_a_machine_without_any_files_is_named_by_python(tmp_path: Path) -> None:
    """A machine without the kernel's files, as on systems other than Linux, is named as Python knows it."""
    software = read_software(tmp_path)
    assert all(software.values())
    assert read_model(tmp_path)


@given(st.text())
def test_no_fact_is_empty_long_or_more_than_a_line(text: str) -> None:
    """A fact is one printable line of limited length and not empty, whatever a file contains."""
    words = [clean_line(text), parse_revision(f"Revision : {text}"), parse_os_name(f"PRETTY_NAME={text}") or "none"]
    for word in words:
        assert 0 < len(word) <= MAX_CHARACTERS
        assert word.isprintable()
        assert word == word.strip()
