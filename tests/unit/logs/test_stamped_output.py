"""What a process prints by Python has time and source, line by line, and no secret."""

from __future__ import annotations

import subprocess
import sys

from worker.log_lines import NOBODY, parse_line

PROGRAM = """
import logging, sys
import gevent
logging.basicConfig(format="%(asctime)s %(message)s")
from worker.load.process.output import name_worker, stamp_output
stamp_output({"TOKEN": "sesame"}, "-")
print("at import")

def work(name):
    name_worker(name)
    gevent.spawn(talk, name).join()

def talk(name):
    print("begun by", name, end=" ")
    gevent.sleep(0)
    print("and ended")
    logging.warning("token sesame")
    sys.stderr.write("two\\nlines\\n")

gevent.joinall([gevent.spawn(work, name) for name in ("pi1_0", "pi2_0")])
sys.stdout.writelines(["a\\n", "b\\n"])
sys.stdout.buffer.write(b"bytes\\n")
print("\\udc80 half")
print("x" * 70_000, end="")
print("without an end", end="")
"""


def test_each_line_is_its_workers() -> None:
    """Lines of greenlets that take turns stay whole, each with the worker to which its greenlet belongs; the last needs no end."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True, timeout=60)
    said = [parse_line(line) for line in (done.stdout + done.stderr).decode().splitlines()]
    by_source: dict[str, list[str]] = {}
    for line in said:
        by_source.setdefault(line.source, []).append(line.text)
    for worker in ("pi1_0", "pi2_0"):
        assert by_source[worker] == [f"begun by {worker} and ended", "root WARNING token [TOKEN]", "two", "lines"]
    assert by_source[NOBODY] == ["at import", "a", "b", "bytes", "\\udc80 half", "x" * 70_000, "without an end"]
    assert {line.at_s is None for line in said if line.text != "bytes"} == {False}
