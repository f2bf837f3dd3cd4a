"""One side of a fault in a process of its own, which is patched for gevent as every Locust process is."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    import locust  # noqa: F401  # first: it patches the standard library for gevent

# isort: split
import importlib
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
from finding import Finding
from gevent import monkey

from worker.parent_watch import read_orders

TIMEOUT_S = 60.0
TOLD_LINES = 12
"""Lines of what a process said that are told when it fails."""


class Side(msgspec.Struct, frozen=True):
    """A function of a module in this folder."""

    module: str
    function: str


def apart(function: Callable[[], Finding]) -> Finding:
    """Call a function of a module of this folder in a process of its own. Raises RuntimeError when it ends without a finding."""
    code = function.__code__
    orders = msgspec.json.encode(Side(Path(code.co_filename).stem, code.co_name)) + b"\n"
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as found:
        process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=found, stderr=said)
        try:
            process.stdin.write(orders)
            process.stdin.flush()  # and left open: the process ends when it is closed
            status = process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            process.kill()
            process.wait()
            process.stdin.close()
        found.seek(0)
        lines = found.read().splitlines()
        if status == 0 and lines:
            return msgspec.json.decode(lines[-1], type=Finding)
        said.seek(0)
        told = said.read().decode(errors="replace").strip().splitlines()[-TOLD_LINES:] or ["it said nothing"]
    ended = f"no end within {TIMEOUT_S:.0f} s" if status is None else f"exit status {status}"
    raise RuntimeError("\n".join([f"{code.co_name}: {ended}: {told[-1]}", *told[:-1]]))


def main() -> None:
    """Call the function that standard input names, and print what it found."""
    side = read_orders(Side, monkey.get_original("_thread", "start_new_thread"))
    finding = getattr(importlib.import_module(side.module), side.function)()
    print(msgspec.json.encode(finding).decode(), flush=True)  # noqa: T201  # the other process reads it
    os._exit(0)  # greenlets may still run, and stock sockets never give up what they have not sent


if __name__ == "__main__":
    main()
