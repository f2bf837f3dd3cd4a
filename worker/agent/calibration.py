"""A machine's capacity: the load that it can carry, measured once by work such as a worker does, and kept with the node.

The unit is one core of a Raspberry Pi 4 at full clock, and a machine counts as that many times its own cores. What is measured
is the CPU time that one core takes for a unit of work: putting a request together, parsing the head of an answer
and decoding its body, counting it in a histogram, encoding its part of a report. So it does not matter whether others use
the machine meanwhile, as long as they leave its clock and caches alone; where the rounds disagree they did not, and
the capacity stays unknown. So it does for a node that is held back while it is measured: it can carry more than that shows.

The capacity is kept as `capacity.json` in the state folder, with what it holds for: it is measured anew
for another board, number of cores, Python or piswarm. Delete the file after overclocking a board.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

import msgspec

from worker.atomic_write import atomic_write
from worker.load.histogram import Histogram
from worker.telemetry.pi.models import PI_MODELS
from worker.telemetry.sensors import MachineSensors
from worker.wire.bounds import Capacity
from worker.wire.messages import encode
from worker.wire.reports import EndpointSecond

PI4_UNIT_S = PI_MODELS["pi4"].cpu_s_per_x86_cpu_s * 23.3e-6
"""CPU time of one core of a Pi 4 at full clock for a unit of work.

Estimated, never measured on a Pi: 23.3 µs on an Intel Xeon at 2.5 GHz with Python 3.11 (the median of 30 measurements), and
how much longer a Pi 4's core takes for the same Python. It only scales the unit: how nodes compare with each other does not
depend on it.
"""
ROUNDS = 5
ROUND_S = 0.05
"""CPU time of a round. With a first one to warm up caches and clock, all take 0.3 s."""
TIME_LIMIT_S = 0.5
"""A measurement that has taken so long, because others use the cores, is given up."""
MAX_SPREAD = 1.15
"""Rounds agree when the second slowest took at most so many times as long as the second fastest."""
RETRY_S = 60.0
MAX_RETRY_S = 3600.0
"""The wait before the first retry of a failed measurement; it doubles up to the maximum."""
MAX_BYTES = 4096
FILE = "capacity.json"


class Machine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The machine and software that a measured capacity holds for."""

    model: str
    cpu_count: int
    python: str
    piswarm: str


class CachedCapacity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of the file."""

    machine: Machine
    capacity: Capacity


def capacity_from(rounds_s: Sequence[float], cores: int) -> float | None:
    """The capacity of a machine that took so much CPU time for a unit in each round; None when they disagree. Pure."""
    if len(rounds_s) < ROUNDS:
        return None
    ordered = sorted(rounds_s)
    if ordered[0] <= 0 or ordered[-2] > MAX_SPREAD * ordered[1]:
        return None
    return round(cores * PI4_UNIT_S / median(ordered), 2) or None


def cached_capacity(content: bytes, machine: Machine) -> float | None:
    """The capacity in a file of this content; None when it is damaged, or of another machine. Pure."""
    try:
        kept = msgspec.json.decode(content, type=CachedCapacity)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return kept.capacity if kept.machine == machine else None


def state_folder(environment: Mapping[str, str]) -> Path | None:
    """A node's state folder: the operator's choice, else systemd's StateDirectory=, else the user's; None without any. Pure."""
    if chosen := environment.get("PISWARM_AGENT_STATE_FOLDER"):
        return Path(chosen)
    of_service = environment.get("STATE_DIRECTORY", "").partition(":")[0]
    if of_service:
        return Path(of_service)
    of_user = Path(environment.get("XDG_STATE_HOME", ""))
    if of_user.is_absolute():  # a relative one is to be ignored (XDG Base Directory Specification)
        return of_user / "piswarm"
    home = Path(environment.get("HOME", ""))
    return home / ".local/state/piswarm" if home.is_absolute() else None


def capacity_of(machine: Machine, folder: Path | None, throttled: Callable[[], bool]) -> float | None:
    """The capacity kept in `folder`; else the measured one, which is kept from then on. None when the measurement fails.

    `throttled` says whether the machine's clock is known to be held down at the moment. Takes at most TIME_LIMIT_S.
    """
    capacity = None if folder is None else cached_capacity(_read(folder / FILE), machine)
    if capacity is not None or throttled():
        return capacity
    capacity = capacity_from(measure(), machine.cpu_count)
    if capacity is None or throttled():
        return None
    if folder is not None:
        with contextlib.suppress(OSError):  # it is measured again next time
            atomic_write(folder / FILE, msgspec.json.encode(CachedCapacity(machine, capacity)))
    return capacity


def calibrate(sensors: MachineSensors, folder: Path | None) -> bool:
    """Set the capacity of the machine of `sensors`, as `capacity_of` says; whether it is known."""
    facts = sensors.facts()
    machine = Machine(facts.model, facts.cpu_count, facts.python, facts.piswarm)
    sensors.capacity = capacity_of(machine, folder, sensors.is_throttled)
    return sensors.capacity is not None


class Calibration:
    """Measures a machine's capacity at once, and retries at growing intervals while it is idle until it is known."""

    def __init__(self, calibrate: Callable[[], bool], now_s: float) -> None:
        """`calibrate` measures, and returns whether the capacity is known."""
        self._calibrate = calibrate
        self._is_known = calibrate()
        self._wait_s = RETRY_S
        self._retry_at_s = now_s + self._wait_s

    def poll(self, now_s: float) -> None:
        """Retry if that is due. To be called while the machine has no load. Takes at most TIME_LIMIT_S."""
        if self._is_known or now_s < self._retry_at_s:
            return
        self._is_known = self._calibrate()
        self._wait_s = min(2 * self._wait_s, MAX_RETRY_S)
        self._retry_at_s = now_s + self._wait_s


def measure(
    clock: Callable[[], float] = time.monotonic, cpu_clock: Callable[[], float] = time.thread_time
) -> list[float]:
    """CPU seconds for a unit of work, for each round; fewer than ROUNDS when TIME_LIMIT_S is over."""
    until_s = clock() + TIME_LIMIT_S
    work = _work()
    rounds_s: list[float] = []
    for number in range(1 + ROUNDS):
        began_s = cpu_clock()
        units, spent_s = 0, 0.0
        while spent_s < ROUND_S:
            if clock() >= until_s:
                return rounds_s
            for _ in range(20):
                work()
            units += 20
            spent_s = cpu_clock() - began_s
        if number:
            rounds_s.append(spent_s / units)
    return rounds_s


_HEAD = (
    b"HTTP/1.1 200 OK\r\nserver: nginx\r\ndate: Sat, 21 Nov 2026 14:38:21 GMT\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\nconnection: keep-alive\r\ncache-control: no-store\r\nx-request-id: %d\r\n\r\n"
)
_BODY = b'{"id":17,"name":"camera","online":true,"tags":["a","b"],"position":{"x":1.5,"y":-2.25},"note":null}'


def _work() -> Callable[[], None]:
    """A function that does one unit of work, never the same twice."""
    # An agent whose capacity is kept never needs it, and is the smaller for that.
    from httptools import HttpResponseParser  # noqa: PLC0415

    histogram = Histogram()
    number = 0

    def unit() -> None:
        nonlocal number
        number += 1
        request = f"GET /items/{number} HTTP/1.1\r\nHost: target\r\nAccept: */*\r\nX-Number: {number}\r\n\r\n".encode()
        head = _HEAD % (len(_BODY), number)
        parser = HttpResponseParser(None)
        parser.feed_data(head)
        fields = {}
        for line in head.lower().split(b"\r\n")[1:-2]:
            name, _, value = line.partition(b":")
            fields[name] = value.strip()
        reply = msgspec.json.decode(_BODY[: int(fields[b"content-length"])])
        histogram.add(parser.get_status_code() / 100 + number % 97 + reply["id"])
        encode(EndpointSecond("GET", "/items/[id]", 1, 0, len(request), histogram.max_ms, {number % 97: 1, 400: 2}))

    return unit


def _read(path: Path) -> bytes:
    """The beginning of a file; nothing when it can't be read. Never waits, whatever lies there."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(descriptor, MAX_BYTES)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
