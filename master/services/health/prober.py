"""Asks services for their health, all at the same time, none for longer than its timeout: the shell around `probes.py`.

Each has a thread of its own, which nobody waits for beyond the deadline. Works alike where gevent has patched the standard library.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from master.scenario.units import format_latency
from master.services.addresses import Address
from master.services.health.probes import (
    MAX_ANSWER_BYTES,
    POSTGRES_SSL_ACCEPTED,
    POSTGRES_SSL_REQUEST,
    Answer,
    Exchange,
)

GRACE_S = 0.1
"""Beyond a service's timeout, for a busy machine to hand over what was answered in time."""


@dataclass(frozen=True)
class Probe:
    """One service to ask. `tls` says which certificates are trusted; None where the connection is a plain one."""

    service: str
    address: Address
    exchange: Exchange
    timeout_s: float
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True)
class Probed:
    """A service's answer, and after how long it was there."""

    answer: Answer
    took_s: float


def ask_all(probes: Sequence[Probe]) -> dict[str, Probed]:
    """The answer of each service, by its name; it takes no longer than the longest timeout, and GRACE_S."""
    answers: queue.Queue[tuple[str, Probed]] = queue.Queue()
    began_s = time.monotonic()
    for probe in probes:
        threading.Thread(target=_put, args=(probe, answers), daemon=True, name=f"probe {probe.service}").start()
    found: dict[str, Probed] = {}
    deadline_s = began_s + max((probe.timeout_s for probe in probes), default=0.0) + GRACE_S
    while len(found) < len(probes):
        try:
            name, probed = answers.get(timeout=max(0.0, deadline_s - time.monotonic()))
        except queue.Empty:
            break
        found[name] = probed
    for probe in probes:
        found.setdefault(probe.service, Probed(_silent(probe), probe.timeout_s))
    return found


def ask(probe: Probe) -> Probed:
    """The answer of one service; what it does not do in time is an answer, too."""
    began_s = time.monotonic()
    try:
        answer = _ask(probe, began_s + probe.timeout_s)
    except TimeoutError:
        answer = _silent(probe)
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", "") or error.reason or str(error)
        answer = Answer(False, f"{probe.address.shown}: TLS fails: {reason}")
    except (OSError, UnicodeError) as error:  # a name that no resolver takes is a UnicodeError
        answer = Answer(False, f"{probe.address.shown}: {getattr(error, 'strerror', None) or error}")
    return Probed(answer, time.monotonic() - began_s)


def _put(probe: Probe, answers: queue.Queue[tuple[str, Probed]]) -> None:
    try:
        probed = ask(probe)
    except Exception as error:  # noqa: BLE001  # a thread's traceback would stand between the lines of the answer
        probed = Probed(Answer(False, f"{probe.address.shown}: {type(error).__name__}: {error}"), 0.0)
    answers.put((probe.service, probed))


def _silent(probe: Probe) -> Answer:
    return Answer(False, f"{probe.address.shown}: no answer within {format_latency(1000 * probe.timeout_s)}")


def _ask(probe: Probe, deadline_s: float) -> Answer:
    address, exchange = probe.address, probe.exchange
    with contextlib.ExitStack() as closing:
        connection = closing.enter_context(
            socket.create_connection((address.host, address.port), timeout=_left_s(deadline_s))
        )
        if probe.tls is not None:
            connection.settimeout(_left_s(deadline_s))
            if address.scheme == "postgresql":
                connection.sendall(POSTGRES_SSL_REQUEST)
                # No byte more: what stands behind it would be taken for what came over TLS.
                if connection.recv(1) != POSTGRES_SSL_ACCEPTED:
                    return Answer(False, f"{address.shown}: does without TLS, which its security policy requires")
                connection.settimeout(_left_s(deadline_s))
            connection = closing.enter_context(probe.tls.wrap_socket(connection, server_hostname=address.host))
        connection.settimeout(_left_s(deadline_s))
        connection.sendall(exchange.request)
        received = bytearray()
        while (answer := exchange.judge(bytes(received))) is None:
            connection.settimeout(_left_s(deadline_s))
            part = connection.recv(MAX_ANSWER_BYTES)
            received += part
            if not part or len(received) > MAX_ANSWER_BYTES:
                how = "closes the connection without an answer" if not part else "answers too much"
                return Answer(False, f"{address.shown}: {how}")
        with contextlib.suppress(OSError):
            connection.sendall(exchange.farewell)
        return answer


def _left_s(deadline_s: float) -> float:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s
