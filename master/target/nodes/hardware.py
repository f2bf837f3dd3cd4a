"""What hardware a node may have: enough of it, and nothing that contradicts its model. Pure.

The minimum is that of the smallest board that the lab's fleets have, a Raspberry Pi Zero 2 W with 512 MB, and a card of 8 GB.
Of what is sold a system shows less: firmware and kernel keep up to a fifth of the memory of that board (416 MB are shown)
and 12 % of one with 1 GB (906 MB), and makers of cards count in powers of ten.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

MIN_CPU_COUNT = 2
MIN_MEMORY_MB = 400
MIN_DISK_MB = 7_000
ARCHITECTURES = ("aarch64", "x86_64")
_SHOWN_SHARE = 0.8
"""A system shows at least this share of the memory that its board was sold with."""


class Hardware(NamedTuple):
    """What a node says of itself. None: it doesn't say."""

    model: str
    cpu_count: int
    memory_mb: int
    architecture: str | None = None
    disk_mb: int | None = None


class Board(NamedTuple):
    """A model that is known: what all boards of it have in common, and the sizes of memory it was sold with."""

    name: str
    cpu_count: int
    memory_sizes_mb: tuple[int, ...]


ARM = "aarch64"
BOARDS = (
    Board("Raspberry Pi Zero 2", 4, (512,)),
    Board("Raspberry Pi 3", 4, (512, 1024)),
    Board("Raspberry Pi 4", 4, (1024, 2048, 4096, 8192)),
    Board("Raspberry Pi 400", 4, (4096,)),
    Board("Raspberry Pi 5", 4, (1024, 2048, 4096, 8192, 16_384)),
    Board("Raspberry Pi 500", 4, (8192, 16_384)),
    Board("Raspberry Pi Compute Module 4", 4, (1024, 2048, 4096, 8192)),
    Board("Raspberry Pi Compute Module 5", 4, (2048, 4096, 8192, 16_384)),
)
_PATTERNS = [(re.compile(rf"{re.escape(board.name)}\b", re.IGNORECASE), board) for board in BOARDS]


def known_board(model: str) -> Board | None:
    """The board that `model` names, as firmware does ("Raspberry Pi 4 Model B Rev 1.5"); None for any other machine."""
    return next((board for pattern, board in _PATTERNS if pattern.match(model)), None)


def architecture_of(hardware: Hardware) -> str | None:
    """The architecture that it says, or that its board has."""
    return hardware.architecture or (ARM if known_board(hardware.model) is not None else None)


def find_faults(hardware: Hardware) -> list[str]:
    """All that keeps a node with this hardware out, one sentence each; empty if nothing does."""
    return [*_too_little(hardware), *_contradictions(hardware)]


def _too_little(hardware: Hardware) -> Iterator[str]:
    if hardware.architecture is not None and hardware.architecture not in ARCHITECTURES:
        yield f"architecture {hardware.architecture} is none of {', '.join(ARCHITECTURES)}"
    if hardware.cpu_count < MIN_CPU_COUNT:
        yield f"cpu_count {hardware.cpu_count} is below {MIN_CPU_COUNT}"
    if hardware.memory_mb < MIN_MEMORY_MB:
        yield f"memory_mb {hardware.memory_mb} is below {MIN_MEMORY_MB}"
    if hardware.disk_mb is not None and hardware.disk_mb < MIN_DISK_MB:
        yield f"disk_mb {hardware.disk_mb} is below {MIN_DISK_MB}"


def _contradictions(hardware: Hardware) -> Iterator[str]:
    board = known_board(hardware.model)
    if board is None:
        return
    if hardware.architecture in ARCHITECTURES and hardware.architecture != ARM:
        yield f"architecture {hardware.architecture} contradicts the model: {board.name} is {ARM}"
    if hardware.cpu_count != board.cpu_count:
        yield f"cpu_count {hardware.cpu_count} contradicts the model: {board.name} has {board.cpu_count}"
    if not any(size * _SHOWN_SHARE <= hardware.memory_mb <= size for size in board.memory_sizes_mb):
        sizes = ", ".join(map(str, board.memory_sizes_mb))
        yield f"memory_mb {hardware.memory_mb} contradicts the model: {board.name} was sold with {sizes}"
