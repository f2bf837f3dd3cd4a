"""Tracing that is off against the code without it: the HTTP user of each in turn, on one core, against the same nginx."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "http"))  # the bench of HTTP clients

from cases import CASES
from children import BenchError, Children
from machine import Cores
from rounds import Bench
from server import Nginx
from tools import Load, Locust

USERS = 50
WARM_UP_S = 0.5
WINDOW_S = 2.0
OFF = Locust("off", "worker.http:HttpUser", "")
BEFORE = Locust("before", "untraced:HttpUser", "")


def measure(program: str, cores: Cores, directory: Path, children: Children, rounds: int) -> list[float]:
    """GET requests a CPU second of the user with tracing off, to those of the user without it, in each of so many rounds.

    Rounds begin with the one and the other in turn. A second of the clock would count what else
    runs on the core. Raises BenchError.
    """
    nginx = Nginx(program, cores.other, directory, children)
    bench = Bench(nginx, cores, Load(USERS, WARM_UP_S, WINDOW_S), directory, children)
    found = []
    for number in range(rounds):
        order = (OFF, BEFORE) if number % 2 else (BEFORE, OFF)
        done = {tool.name: bench.measure(number, CASES[0], tool) for tool in order}
        for each in done.values():
            if each.error is not None:
                raise BenchError(each.error)
        off, before = done[OFF.name], done[BEFORE.name]
        found.append(before.cpu_us / off.cpu_us)
    return found
