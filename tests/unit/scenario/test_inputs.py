"""A file that an operator names is read, or refused at once with the reason; many faults become one short message."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from master.errors import InputError
from master.inputs import decode_input, read_input
from master.scenario import load_scenario
from master.yaml_file.document import MAX_FILE_BYTES

BASE = """target: embedded
users: {ApiUser: 1}
load: [{users: 40, spawn_rate: 4, hold: 5s}]
"""
QUICKLY_S = 10.0
"""Of CPU time; it takes about 2 s, and took minutes where it grew with the square."""


def refusal(file: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_input(file, 1000)
    return caught.value.message


def test_a_regular_file_is_read_whole(tmp_path: Path) -> None:
    """A regular file, empty or of the maximum size, is read whole, also through a link."""
    file, link = tmp_path / "a", tmp_path / "b"
    link.symlink_to(file)
    for content in (b"", b"a\0b", b"x" * 1000):
        file.write_bytes(content)
        assert read_input(file, 1000) == read_input(link, 1000) == content


def test_what_is_no_file_to_read_is_refused_without_waiting(tmp_path: Path) -> None:
    """A pipe, a device, a directory, an impossible name or too large a file is refused at once."""
    fifo, large = tmp_path / "fifo", tmp_path / "large"
    os.mkfifo(fifo)
    large.write_bytes(b"x" * 1001)
    assert refusal(fifo) == f"{fifo}: is not a file"
    assert refusal(tmp_path) == f"{tmp_path}: is not a file"
    assert refusal(Path("/dev/zero")) == "/dev/zero: is not a file"
    assert refusal(Path("/proc/self/mem")) == "/proc/self/mem: can't be read: Input/output error"
    assert refusal(tmp_path / "none") == f"{tmp_path / 'none'}: no such file"
    assert refusal(large) == f"{large}:1: is larger than 0.001 MB"
    assert "can't be read" in refusal(Path("a\0b"))
    too_long = refusal(Path("/" + "x" * 5000))
    assert too_long.endswith("can't be read: File name too long")
    assert len(too_long) < 200


def test_text_in_another_encoding_is_refused_with_its_line() -> None:
    """Text that is not UTF-8 is refused with its line, and a byte order mark is no part of the text."""
    assert decode_input(Path("f"), b"\xef\xbb\xbfa\n\xc3\xbc") == "a\nü"
    with pytest.raises(InputError, match="f:2: is not UTF-8 text"):
        decode_input(Path("f"), b"a\n\xfc\n")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        pytest.param(BASE + "".join(f"k{n}: 1\n" for n in range(90_000)), 90_000, id="unknown keys"),
        pytest.param(
            BASE + "fleet:\n" + "".join(f"  k{n}: &a{n} 1\n" for n in range(40_000)), 40_001, id="anchors under fleet"
        ),
        pytest.param(
            BASE + "fleet:\n" + "".join(f"  k{n}: *a{n}\n" for n in range(40_000)), 40_001, id="aliases under fleet"
        ),
        pytest.param(BASE + "seed: 1\n" * 90_000, 89_999, id="a key again and again"),
        pytest.param(BASE + "thresholds: [" + "x, " * 900 + "]\n", 900, id="rules that are none"),
    ],
)
def test_of_a_flood_of_faults_the_first_are_shown_and_the_others_counted(tmp_path: Path, text: str, count: int) -> None:
    """Of very many faults the first are shown in the order of their lines, and the others counted, within seconds."""
    file = tmp_path / "flood.yml"
    file.write_text(text)
    assert len(text) < MAX_FILE_BYTES
    began_s = time.process_time()
    with pytest.raises(InputError) as caught:
        load_scenario(file, {"ApiUser"})
    assert time.process_time() - began_s < QUICKLY_S
    first, *rows, last = caught.value.message.split("\n")
    assert first == f"{file}: {count} faults"
    assert last == f"  and {count - 20} more"
    assert len(rows) == 20
    lines = [int(row.removeprefix(f"  {file}:").partition(":")[0]) for row in rows]
    assert lines == sorted(lines)
    assert len(caught.value.message) < 20_000


@pytest.mark.parametrize("key", ["users", "load", "thresholds", "fleet"])
def test_a_list_of_more_than_anyone_needs_is_one_fault(tmp_path: Path, key: str) -> None:
    """A list with more entries than the maximum is one fault, and none of its entries is read."""
    file = tmp_path / "many.yml"
    entries = (
        "".join(f"  - {n}\n" for n in range(50_000))
        if key in ("load", "thresholds")
        else "".join(f"  U{n}: 1\n" for n in range(50_000))
    )
    file.write_text("".join(line for line in BASE.splitlines(True) if not line.startswith(key)) + f"{key}:\n{entries}")
    with pytest.raises(InputError, match=f": {key}: holds 50000 entries: 1000 are the most$"):
        load_scenario(file, {"ApiUser"})


def test_a_fault_that_repeats_a_long_value_is_cut_and_still_gives_its_advice(tmp_path: Path) -> None:
    """A fault with a long value is cut in its middle: the beginning says where it is, the end what to do."""
    file = tmp_path / "long.yml"
    file.write_text(BASE + f"thresholds: [{'x' * 9000} < 5]\n")
    with pytest.raises(InputError) as caught:
        load_scenario(file, {"ApiUser"})
    message = caught.value.message
    assert len(message) < 1500
    assert message.startswith(f"{file}:4: thresholds[0]: 'xxx")
    assert message.endswith("(any pNN or pNN.N)")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('"\\e]0;x\\a": 1\n', r"\x1b]0;x\x07: unknown key"),
        ('"a\\nb.yml:1": 1\n', r"a\nb.yml:1: unknown key"),
        ('"\\u202eabc": 1\n', r"\u202eabc: unknown key"),
        ('"\\0": 1\n', r"\x00: unknown key"),
        ('thresholds: ["\\u009b2J p95 < 5 ms"]\n', r"2J' is not an endpoint"),
        ('"\\ud800": 1\n', "as a key holds half a surrogate pair"),
    ],
)
def test_foreign_text_in_a_message_can_be_seen_and_does_nothing(tmp_path: Path, text: str, shown: str) -> None:
    """Escape sequences, line ends and bidirectional marks of a file are escaped in messages, so none reaches a terminal."""
    file = tmp_path / "odd.yml"
    file.write_text(BASE + text)
    with pytest.raises(InputError) as caught:
        load_scenario(file, {"ApiUser"})
    assert shown in caught.value.message
    assert caught.value.message.isprintable()
    assert str(caught.value) == caught.value.message


def test_a_rules_endpoint_is_named_as_workers_report_it(tmp_path: Path) -> None:
    """A threshold's endpoint has hidden characters escaped as workers report it, and a no-break space counts as a space
    in a value.
    """
    file = tmp_path / "odd.yml"
    file.write_text(BASE + 'thresholds: ["GET /a\\u200b\\x1bb p95 <\\u00a05\\u00a0ms"]\n'.replace(r"\x1b", r"\\x1b"))
    (rule, *_) = load_scenario(file, {"ApiUser"}).thresholds
    assert rule.endpoint == ("GET", r"/a\u200b\x1bb")
    assert rule.text == r"GET /a\u200b\x1bb p95 < 5 ms"
