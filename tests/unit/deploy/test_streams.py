"""Output that can't be written is dropped and its writer goes on, shown with real processes on real descriptors."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

PRELUDE = "import os, sys, time; from worker import streams; streams.guard_streams(); "


def run(code: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-c", PRELUDE + code], timeout=60, check=False, **options)  # type: ignore[call-overload,no-any-return]


def test_a_pipe_whose_reader_has_gone_is_written_to_in_vain() -> None:
    """Writing to a pipe whose reader has gone neither fails nor prints anything, and the exit status is the program's own."""
    readable, writable = os.pipe()
    os.close(readable)
    done = run(
        "print('x' * 100_000); sys.exit(7 if streams.lost_output() is None else 8)",
        stdout=writable,
        stderr=subprocess.PIPE,
    )
    os.close(writable)
    assert (done.returncode, done.stderr) == (7, b"")


def test_a_full_device_is_known_of_and_nothing_more() -> None:
    """Output lost on a full device raises nothing, and its error can be asked for afterwards."""
    with Path("/dev/full").open("wb") as full:
        done = run("print('x'); sys.stderr.write(streams.lost_output().strerror)", stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"No space left on device")


def test_a_reader_that_does_not_read_is_waited_for_as_long_as_patience_says() -> None:
    """A reader that stops reading is waited for once each time it stops, not with each line; what the pipe has room for arrives."""
    readable, writable = os.pipe()
    code = (
        "streams.set_write_timeout(0.2); began_s = time.monotonic()\n"
        "for _ in range(5000): print('y' * 99, flush=True)\n"
        "sys.stderr.write(str(time.monotonic() - began_s))"
    )
    done = run(code, stdout=writable, stderr=subprocess.PIPE)
    os.close(writable)
    with os.fdopen(readable, "rb") as pipe:
        got = pipe.read()
    assert done.returncode == 0
    assert 0.2 <= float(done.stderr) < 10
    assert got.startswith(b"y" * 99 + b"\n")
    assert len(got) >= 60_000


def test_without_a_limit_a_slow_reader_gets_everything() -> None:
    """Without a time limit a slow reader, such as a pager, gets all output."""
    with subprocess.Popen([sys.executable, "-c", PRELUDE + "print('z' * 300_000)"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        time.sleep(0.5)
        assert len(process.stdout.read()) == 300_001


@pytest.mark.parametrize(
    ("encoding", "printed"),
    [
        ("ascii", b"<= 1 deg C - 2 -> ? ?"),
        ("latin-1", b"<= 1\xb0C - 2 -> ? ?"),
        ("cp1252", b"<= 1\xb0C \x96 2 -> ? ?"),
        ("utf-8", "≤ 1°C – 2 → ж ?".encode()),
    ],
)
def test_characters_that_an_encoding_lacks_are_replaced(encoding: str, printed: bytes) -> None:
    """Characters that an encoding lacks are replaced by plain ones of the same meaning, else, like lone surrogates, by '?'."""
    done = run(
        r"print('\u2264 1\u00b0C \u2013 2 \u2192 \u0436 \udcff', end='')",
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )
    assert (done.returncode, done.stdout) == (0, printed)


def test_a_file_that_is_opened_never_gets_the_descriptor_of_a_closed_output() -> None:
    """No file gets the descriptor of a closed output, so that neither print nor a library writes into a database."""
    code = "print('lost'); d = os.open('/dev/null', os.O_RDONLY); assert d > 2, d; os.write(1, b'?'); os.write(2, b'?')"
    script = f'exec "{sys.executable}" -c "$0" <&- >&- 2>&-'
    done = subprocess.run(["sh", "-c", script, PRELUDE + code], timeout=60, check=False)
    assert done.returncode == 0
