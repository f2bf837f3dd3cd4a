"""What the controller and the project's process say to each other.

Each message is a tagged array in MessagePack, behind its length in four bytes. The process runs the operator's code, so what it
says is held to its type and to MAX_BYTES; what does not decode ends it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from master.project.process.facts import ProjectFacts
from worker.wire.messages import ArgumentValue

MAX_BYTES = 16 << 20
"""A longer message ends the process that sends it."""


class ProcessOrders(msgspec.Struct, frozen=True):
    """What the process reads from its standard input first."""

    descriptor: int
    """Its end of the socket."""
    root: str
    """The project's folder."""
    locustfiles: list[str]
    whole: bool
    """Whether all that lies in the folder belongs to it: then it is the working directory, as on nodes."""
    real_nodes: bool
    import_limit_s: float
    """An import that takes longer is given up."""
    arguments: dict[str, ArgumentValue] = {}
    """Values of the locustfile's own options that the scenario gives."""
    environment: list[str] = []
    """Environment variables that nodes get, too."""


class Inspected(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Process: the project is imported."""

    facts: ProjectFacts


class Refused(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Process: the project can't be imported, and why; then it ends."""

    message: str
    hint: str = ""


class End(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Controller: there is nothing more to do."""


FromProcess = Inspected | Refused
ToProcess = End


def _encode_path(path: Any) -> str:
    if isinstance(path, Path):
        return str(path)
    raise NotImplementedError


def _decode_path(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError


encode = msgspec.msgpack.Encoder(enc_hook=_encode_path).encode
decode_from_process = msgspec.msgpack.Decoder(FromProcess, dec_hook=_decode_path).decode
decode_to_process = msgspec.msgpack.Decoder(ToProcess, dec_hook=_decode_path).decode
