"""What of a node's facts and samples can be. Pure.

A key says who a node is, not that what it says is true; report_checks does the same for what its workers measured.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from master.fleet.capacity import full_capacity, is_possible_capacity
from worker.printable import printable
from worker.telemetry.pi.models import find_model
from worker.wire.messages import Facts, Reading

MAX_CORES = 1024
"""Of one machine; no board has more than four."""
MAX_MEMORY_BYTES = 64 << 40
BOARD_MAX_MEMORY_BYTES = 16 << 30
"""No Raspberry Pi has more (Raspberry Pi 5, 16 GB)."""
MAX_TEXT = 200
"""Characters of a fact; worker.telemetry.facts cuts what it reads at as many."""
ROUNDING_PERCENT = 1.0

IMPOSSIBLE_FACTS = "facts that no node can have"
OTHER_KIND = "a node that says it is what the run has none of"
CLOCK_JUMPED = "a monotonic clock that jumped"
IMPOSSIBLE_SAMPLE = "a sample that no node can have"


class RefusedValue(NamedTuple):
    """Something that a node says of itself and is not credible."""

    reason: str
    detail: str


def credible_facts(facts: Facts, *, simulated: bool | None) -> tuple[Facts, list[RefusedValue]]:
    """What to believe of `facts`, and what not. `simulated` says what the run's nodes are, None that it is not known.

    A node that says it is simulated counts as that in any run, so that its figures do not pass for those of a real one.
    """
    refused = []
    board = find_model(facts.model)
    max_memory_bytes = MAX_MEMORY_BYTES if board is None else BOARD_MAX_MEMORY_BYTES
    if facts.cpu_count > MAX_CORES:
        refused.append(RefusedValue(IMPOSSIBLE_FACTS, f"it says that it has {facts.cpu_count} cores"))
    if facts.memory_bytes > max_memory_bytes:
        refused.append(RefusedValue(IMPOSSIBLE_FACTS, f"it says that it has {facts.memory_bytes >> 30} GiB of memory"))
    capacity = None if facts.capacity is None else full_capacity(facts)
    # A machine that is no Pi may well be faster than the largest of them, and counts as that one.
    if capacity != facts.capacity and (board is not None or not is_possible_capacity(facts)):
        carries = f"it says that it carries {facts.capacity:g} cores of a Pi 4, and is taken to carry {capacity:g}"
        refused.append(RefusedValue(IMPOSSIBLE_FACTS, carries))
    if simulated is not None and facts.simulated is not simulated:
        kinds = ("simulated", "real") if facts.simulated else ("real", "simulated")
        refused.append(RefusedValue(OTHER_KIND, "it says that it is {}, where the run's nodes are {}".format(*kinds)))
    credible = replace(
        facts,
        simulated=facts.simulated or bool(simulated),
        cpu_count=min(facts.cpu_count, MAX_CORES),
        memory_bytes=min(facts.memory_bytes, max_memory_bytes),
        capacity=capacity,
        **{name: printable(getattr(facts, name))[:MAX_TEXT] for name in _TEXTS},
    )
    return credible, refused


_TEXTS = ("model", "os", "python", "piswarm", "kernel", "revision")


def check_reading(reading: Reading, facts: Facts | None) -> str | None:
    """What is wrong with a reading of a node that says `facts` of itself, None if nothing.

    A simulated node's memory is that of its processes here, which may be more than its board would have.
    """
    if reading.cpu_percent > 100 + ROUNDING_PERCENT:
        return f"{reading.cpu_percent:.0f} % of its CPU"
    if facts is None or facts.simulated:
        return None
    if reading.memory_percent > 100 + ROUNDING_PERCENT or reading.memory_used_bytes > facts.memory_bytes:
        return f"{reading.memory_used_bytes >> 20} MiB of its {facts.memory_bytes >> 20} MiB of memory used"
    return None
