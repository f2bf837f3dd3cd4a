"""What workers print goes to the controller in bounded parts, and what is too much is counted."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from typing import IO

import pytest

from worker.agent import worker_output
from worker.agent.worker_output import BURST_LINES, LINES_PER_S, MAX_WAITING, OutputRate, OutputReader, take_output
from worker.log_lines import LogLine, format_line
from worker.secret_values import Mask
from worker.wire.bounds import MAX_LOGGED_LINE, MAX_LOGGED_LINES
from worker.wire.messages import WorkerOutput, decode_agent_message, encode


@pytest.fixture
def output() -> Iterator[IO[bytes]]:
    with tempfile.TemporaryFile() as file:
        yield file


def write(file: IO[bytes], text: str) -> None:
    file.write(text.encode())
    file.flush()


def test_lines_are_read_once_and_whole(output: IO[bytes]) -> None:
    """A line is taken in when it has its end, once, with how long ago it was printed; the writer's position is left alone."""
    reader = OutputReader("pi1_0", output.fileno(), Mask({"TOKEN": "sesame"}))
    write(output, format_line(LogLine(1000.0, "pi1_0", "one sesame")) + "two\nthr")
    reader.read(50.0, 1003.0)
    assert [(line.at_s, line.text) for line in reader.waiting] == [(47.0, "one [TOKEN]"), (50.0, "two")]
    position = output.tell()
    reader.read(51.0, 1004.0)
    assert len(reader.waiting) == 2
    write(output, "ee\nfour")
    assert output.tell() > position
    reader.read(52.0, 1005.0, ended=True)
    assert [line.text for line in reader.waiting] == ["one [TOKEN]", "two", "three", "four"]
    output.seek(0)
    output.truncate()
    reader.restart()
    write(output, "anew\n")
    reader.read(53.0, 1006.0)
    assert reader.waiting[-1].text == "anew"


def test_a_clock_that_was_set_makes_no_line_younger_than_now_or_older_than_the_machine(output: IO[bytes]) -> None:
    """Whatever a line says of its time, it was printed between the start of the machine and now."""
    reader = OutputReader("pi1_0", output.fileno(), Mask({}))
    write(output, format_line(LogLine(9e9, "pi1_0", "ahead")) + format_line(LogLine(0.0, "pi1_0", "behind")))
    reader.read(50.0, 1e9)
    assert [line.at_s for line in reader.waiting] == [50.0, 0.0]


def test_what_is_too_much_is_counted(output: IO[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a flood some lines are sent, and the number of the others; a file that grows faster than it is read is passed over."""
    reader = OutputReader("pi1_0", output.fileno(), Mask({}))
    write(output, "line\n" * 1000)
    reader.read(1.0, 1.0)
    assert (len(reader.waiting), reader.left_out) == (MAX_WAITING, 1000 - MAX_WAITING)
    rate = OutputRate()
    rate.refill(1.0)
    sent = take_output([reader], rate)
    assert sent is not None
    assert (len(sent.lines), sent.left_out) == (BURST_LINES, 1000 - BURST_LINES)
    assert take_output([reader], rate) is None
    rate.refill(2.0)
    write(output, "line\n" * 100)
    reader.read(2.0, 2.0)
    later = take_output([reader], rate)
    assert later is not None
    assert (len(later.lines), later.left_out) == (LINES_PER_S, 100 - LINES_PER_S)
    monkeypatch.setattr(worker_output, "MAX_READ_BYTES", 100)
    write(output, "x" * 200_000 + "\n")
    reader.read(3.0, 3.0)
    assert reader.pop_left_out() == 1


def test_a_message_stays_within_its_bounds(output: IO[bytes]) -> None:
    """However long lines are, a message can be decoded, is below 64 KB, and says how much is left out."""
    reader = OutputReader("pi1_0", output.fileno(), Mask({}))
    write(output, ("y" * 100_000 + "\n") * 30)
    reader.read(1.0, 1.0)
    sent = take_output([reader], OutputRate(burst=10_000), last=True)
    assert sent is not None
    assert decode_agent_message(encode(sent)) == sent
    assert len(encode(sent)) < 64 << 10
    assert len(sent.lines) + sent.left_out >= 30
    assert {len(line.text) for line in sent.lines} == {MAX_LOGGED_LINE}
    assert len(sent.lines) <= MAX_LOGGED_LINES
    assert os.fstat(output.fileno()).st_size > 1 << 20


def test_the_last_message_comes_also_without_a_line() -> None:
    """At the end a node says that there is nothing more."""
    assert take_output([], OutputRate(), last=True) == WorkerOutput([], 0, last=True)
