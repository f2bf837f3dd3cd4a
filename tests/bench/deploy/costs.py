"""Runs one command and tells what it took: `costs.py RESULT COMMAND…`. Its exit status is the command's.

RESULT becomes a JSON file with `seconds` and `cpu_s`. The command's descendants that stay when it has ended, such as the masters of
ssh's ControlPersist, become this process's children; they are ended then, and their CPU counts too.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

import psutil

_PR_SET_CHILD_SUBREAPER = 36
_END_S = 2.0


def main() -> int:
    """Returns the exit status."""
    result, *command = sys.argv[1:]
    signal.signal(signal.SIGTERM, _interrupt)
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no subreaper")
    began_s = time.monotonic()
    status = 1
    try:
        status = subprocess.Popen(command, stdin=subprocess.DEVNULL).wait()
        seconds = time.monotonic() - began_s
    finally:
        end_all()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    Path(result).write_text(
        json.dumps({"seconds": seconds, "cpu_s": usage.ru_utime + usage.ru_stime}), encoding="utf-8"
    )
    return status if status >= 0 else 128 - status


def end_all() -> None:
    """End what is below this process, and wait for all of it."""
    until_s = time.monotonic() + _END_S
    while children := psutil.Process().children(recursive=True):
        for child in children:
            try:
                child.send_signal(signal.SIGTERM if time.monotonic() < until_s else signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
        # Also those that are nobody's Popen, by which their CPU is counted here.
        while _reap():
            pass
        time.sleep(0.02)
    while _reap():
        pass


def _reap() -> bool:
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
