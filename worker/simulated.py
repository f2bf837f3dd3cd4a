"""A simulated Pi's sensors: real work of this machine, turned into the heat and load that it would mean on a Pi."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from worker import __version__
from worker.conditions import THROTTLED, Accumulator, told
from worker.facts import read_software
from worker.orders import Board
from worker.thermal import BOARDS, ThermalModel
from worker.wire import Facts, Reading

_OS_MEMORY_BYTES = 180 << 20
"""What Raspberry Pi OS Lite uses before any worker runs."""


class SimulatedSensors:
    """The sensors of one simulated node.

    `cpu_s` tells the CPU seconds that the node's share of this process has used on this machine so far; the model
    scales them to the board's cores. `memory_bytes` tells its share of this process's memory. Each node stands somewhere
    else in the rack, so its air is up to 4 °C warmer than the room, by a generator seeded with the run and its name.
    """

    def __init__(
        self,
        node: str,
        stands_for: Board,
        *,
        seed: int,
        cpu_s: Callable[[], float],
        memory_bytes: Callable[[], int],
    ) -> None:
        warmer_c = random.Random(f"{seed} {node}").uniform(0.0, 4.0)  # noqa: S311  # no secret
        self._model = ThermalModel(BOARDS[stands_for.board], stands_for.cooling, stands_for.ambient_c + warmer_c)
        self._cpu_s = cpu_s
        self._memory_bytes = memory_bytes
        self._read_at_s = time.monotonic()
        self._used_s = cpu_s()
        self._conditions = Accumulator()

    def facts(self) -> Facts:
        """The board's, with the software of this machine."""
        board = self._model.board
        return Facts(
            simulated=True,
            model=board.model,
            cpu_count=board.cores,
            memory_bytes=board.memory_bytes,
            piswarm=__version__,
            capacity=board.cores * BOARDS["pi4"].cpu_s_per_x86_cpu_s / board.cpu_s_per_x86_cpu_s,
            **read_software(),
        )

    def read(self) -> Reading:
        """Let the model live through the time since the reading before, and read it."""
        now_s, used_s = time.monotonic(), self._cpu_s()
        passed_s = max(1e-3, now_s - self._read_at_s)
        board = self._model.board
        # A throttled core takes longer for the same work.
        slower = board.cpu_s_per_x86_cpu_s * board.max_hz / self._model.frequency_hz
        utilisation = min(1.0, (used_s - self._used_s) * slower / passed_s / board.cores)
        self._read_at_s, self._used_s = now_s, used_s
        self._model.step(passed_s, utilisation)
        memory_used_bytes = _OS_MEMORY_BYTES + self._memory_bytes()
        # The model knows heat alone: its supply is good, and it has no lower limit.
        now = told(THROTTLED if self._model.throttled else 0)
        lately, since_start = self._conditions.add(now, None)
        return Reading(
            cpu_percent=100 * utilisation,
            memory_percent=100 * memory_used_bytes / board.memory_bytes,
            memory_used_bytes=memory_used_bytes,
            load_1min=utilisation * board.cores,
            temperature_c=self._model.temperature_c,
            frequency_hz=self._model.frequency_hz,
            conditions=now,
            conditions_lately=lately,
            conditions_since_start=since_start,
        )
