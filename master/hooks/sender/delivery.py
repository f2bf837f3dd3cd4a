"""One call to one receiver: an HTTP request, tried again with growing waits, or a command with a time limit."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable

import msgspec
import urllib3

from master.hooks.orders import Call, Receiver
from worker import __version__
from worker.printable import printable

TRIES = 4
FIRST_WAIT_S, MAX_WAIT_S = 0.5, 30.0
REQUEST_S = 5.0
"""Longest time for connecting, and again for the answer."""
COMMAND_S = 30.0
_MAX_ANSWER_BYTES = 4096
_AGAIN = {408, 425, 429, 500, 502, 503, 504}


def deliver(receiver: Receiver, call: Call, until_s: float, sleep: Callable[[float], None] = time.sleep) -> str:
    """Make the call, not trying again after `until_s` (monotonic). Returns why it failed, empty when it did not."""
    body = msgspec.json.encode(call)
    if receiver.url is None:
        return _run(receiver.command, call, body, min(COMMAND_S, max(0.0, until_s - time.monotonic())))
    fault, wait_s = "", FIRST_WAIT_S
    for number in range(TRIES):
        if number:
            if time.monotonic() + wait_s > until_s:
                break
            sleep(wait_s)
        fault, again, asked_s = _post(receiver.url, receiver.headers, body)
        if not again:
            return fault
        wait_s = min(MAX_WAIT_S, max(asked_s, FIRST_WAIT_S * 2**number * random.uniform(1, 2)))  # noqa: S311  # no secret
    return fault


def _post(url: str, headers: dict[str, str], body: bytes) -> tuple[str, bool, float]:
    """Why a request failed, whether to try again, and how long the receiver asks to wait. What the answer says is not kept: it is foreign text."""
    sent = {"Content-Type": "application/json", "User-Agent": f"piswarm/{__version__}", **headers}
    pool = urllib3.PoolManager(retries=False)
    try:
        answer = pool.request(
            "POST",
            url,
            body=body,
            headers=sent,
            timeout=urllib3.Timeout(connect=REQUEST_S, read=REQUEST_S, total=2 * REQUEST_S),
            redirect=False,
            preload_content=False,
        )
        answer.read(_MAX_ANSWER_BYTES, decode_content=False)
        answer.close()
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        return f"{type(error).__name__}", True, 0.0
    finally:
        pool.clear()
    if 200 <= answer.status < 300:
        return "", False, 0.0
    return f"status {answer.status}", answer.status in _AGAIN, _asked_s(answer.headers.get("Retry-After", ""))


def _asked_s(text: str) -> float:
    """Seconds of a Retry-After (RFC 9110, 10.2.3); 0 for a date, or what is neither."""
    return min(float(text), MAX_WAIT_S) if text.isascii() and text.isdigit() and len(text) < 6 else 0.0


def _run(command: list[str], call: Call, body: bytes, limit_s: float) -> str:
    """Run a command with the call on its standard input, in a process group that is killed when it takes too long."""
    try:
        process = subprocess.Popen(  # noqa: S603  # the operator's own, without a shell
            command,
            stdin=subprocess.PIPE,
            stdout=2,  # the log, with what it says on standard error; the sender's own output is its one answer to the run
            start_new_session=True,
            env={**os.environ, "PISWARM_EVENT": call.event},
        )
    except OSError as error:
        return printable(f"{command[0]} can't be started: {error.strerror}")
    try:
        process.communicate(body, timeout=limit_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return f"it took longer than {limit_s:.0f} s and was killed"
    return "" if process.returncode == 0 else f"exit status {process.returncode}"
