"""Environment files mean the same to systemd, to a POSIX shell, and to the checks."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.environments.file_format import parse, quote

HOSTILE = [
    "",
    "plain",
    "two words",
    " leading and trailing ",
    'double " quote',
    "single ' quote",
    'it\'s "both"',
    "$HOME ${HOME} $(id) `id`",
    "back\\slash \\n \\x41 \\",
    "\\",
    '"',
    "#no comment",
    "a # b ; c",
    "; echo no",
    "a=b=c",
    "*?[a-z]~ !x {a,b}",
    "~root",
    "%n %i 5%%",
    "& | < > ( )",
    "Zürich – 漢字",
    "postgresql://a@[::1]:5432/x?y=z&u=v",
]


def read_by_shell(text: str, folder: Path) -> str:
    """Return what X is to a POSIX shell that sources a file with this text."""
    file = folder / "shell.env"
    file.write_text(text, "utf-8")
    done = subprocess.run(
        ["/bin/sh", "-eu", "-c", '. "$1"; printf "%s" "$X"', "sh", file], capture_output=True, text=True, check=True
    )
    return done.stdout


def read_by_systemd(text: str, folder: Path) -> str:
    """Return what X is to systemd's reader of such files, which os-release is read by, too: it needs no running systemd."""
    if shutil.which("systemd-tmpfiles") is None:
        pytest.skip("systemd-tmpfiles is not installed, so that systemd's own reader can't be asked")
    (folder / "etc").mkdir(exist_ok=True)
    (folder / "etc/os-release").write_text(text.replace("X=", "VARIANT_ID=", 1), "utf-8")
    rules = folder / "rules.conf"
    rules.write_text("f+ /found - - - - [%W]\n", "utf-8")
    subprocess.run(["systemd-tmpfiles", f"--root={folder}", "--create", rules], capture_output=True, check=True)
    found = (folder / "found").read_text("utf-8")
    return found.removeprefix("[").removesuffix("]")


@pytest.mark.parametrize("value", HOSTILE)
def test_a_shell_reads_back_what_was_written(value: str, tmp_path: Path) -> None:
    """Whatever a value holds, a shell takes it literally and runs nothing."""
    assert read_by_shell(f"X={quote(value)}\n", tmp_path) == value


@pytest.mark.parametrize("value", [each for each in HOSTILE if each])
def test_systemd_reads_back_what_was_written(value: str, tmp_path: Path) -> None:
    """Whatever a value holds, systemd takes it literally."""
    assert read_by_systemd(f"X={quote(value)}\n", tmp_path) == value


def test_a_service_gets_what_was_written(tmp_path: Path) -> None:
    """A real service of systemd has each value in its environment, by EnvironmentFile=."""
    state = (
        shutil.which("systemctl")
        and subprocess.run(
            ["systemctl", "is-system-running"], capture_output=True, text=True, check=False
        ).stdout.strip()
    )
    if os.geteuid() or state not in {"running", "degraded"}:
        pytest.skip("systemd does not run here, or not for us, so that no service can be started")
    file = tmp_path / "service.env"
    file.write_text("".join(f"X{number}={quote(value)}\n" for number, value in enumerate(HOSTILE)), "utf-8")
    command = ["systemd-run", "--quiet", "--wait", "--pipe", f"--property=EnvironmentFile={file}", "/usr/bin/env", "-0"]
    done = subprocess.run(command, capture_output=True, check=True)
    found = dict(each.split("=", 1) for each in done.stdout.decode().split("\0") if each)
    assert [found.get(f"X{number}", "") for number in range(len(HOSTILE))] == HOSTILE


@given(st.text(st.characters(codec="utf-8")).filter(str.isprintable))
def test_every_printable_value_is_read_back_by_the_checks(value: str) -> None:
    """What is written is read back as it was, whatever can be printed."""
    assert [each.value for each in parse(f"X={quote(value)}\n")[0]] == [value]


@pytest.mark.parametrize("value", ["a\nB=1", "a\rb", "a\0b", "\x1b[2J", "a\u2028b", "\ud800"])
def test_control_characters_are_refused(value: str) -> None:
    """A value that would begin another line, or that systemd refuses, is not written."""
    with pytest.raises(ValueError, match="can't be printed"):
        quote(value)


@pytest.mark.parametrize("raw", ["'it is'", '"a \\"b\\" \\$c"', "a/b:c@d%e", '""'])
def test_what_is_accepted_is_read_alike_by_all(raw: str, tmp_path: Path) -> None:
    """Single quotes and double quotes around all of a value are read alike by the checks and a shell, and by systemd."""
    (found,), faults = parse(f"X={raw}")
    assert not faults
    assert read_by_shell(f"X={raw}\n", tmp_path) == found.value
    if found.value:
        assert read_by_systemd(f"X={raw}\n", tmp_path) == found.value


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("export X=1", "export"),
        ("X = 1", "space around 'X'"),
        (" X=1", "space around 'X'"),
        (" hunter2", "neither NAME=value nor a comment"),
        ("; comment", "neither NAME=value nor a comment"),
        ("1X=1", "neither NAME=value nor a comment"),
        ("X=$HOME", "read differently"),
        ('X="$HOME"', "read differently"),
        ("X=`id`", "read differently"),
        ("X=a b", "read differently"),
        ("X=1 # comment", "read differently"),
        ("X='it'\\''s'", "read differently"),
        ('X="a"b', "read differently"),
        ('X="open', "read differently"),
        ("X=a\\", "read differently"),
        ("X=~/x", "read differently"),
        ("X=1\r", "can't be printed"),
        ("# comment \\", "ends with a backslash"),
    ],
)
def test_what_they_read_differently_is_refused(line: str, text: str) -> None:
    """A line that systemd and a shell read differently is a fault, on its line."""
    found, (fault,) = parse(f"# first\n{line}\n")
    assert not found
    assert fault.line == 2
    assert text in fault.text


def test_a_name_that_is_set_twice_is_a_fault() -> None:
    """The first line is named, and neither counts."""
    found, (fault,) = parse("X=1\nY=2\nX=3\n")
    assert [each.name for each in found] == ["Y"]
    assert (fault.line, fault.name, fault.text) == (3, "X", "set twice (first on line 1)")


def test_systemd_joins_quoted_pieces_otherwise_than_a_shell(tmp_path: Path) -> None:
    """The reason why quoted pieces are refused: the two disagree on them."""
    text = "X='it'\\''s'\n"
    assert read_by_shell(text, tmp_path) == "it's"
    assert read_by_systemd(text, tmp_path) != "it's"
