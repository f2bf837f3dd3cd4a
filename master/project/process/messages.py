"""What the controller and the project's process say to each other.

Each message is a tagged array in MessagePack, behind its length in four bytes. The process runs the operator's code, so what it
says is held to its type and to MAX_BYTES; what does not decode ends it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from master.project.process.command_line import CommandOrders
from master.project.process.facts import ProjectFacts
from worker.wire.work import ArgumentValue, Work

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
    command: CommandOrders | None = None
    """Options of Locust's and of the locustfile's own that were given on a command line."""


class Importing(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Process: it is up and imports the project from now on; the limit of an import counts from here."""


class Inspected(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Process: the project is imported."""

    facts: ProjectFacts


class Refused(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Process: the project can't be imported, and why; then it ends."""

    message: str
    hint: str = ""


class Begin(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Controller: the run begins. The environment and the runner are made, and `init` fires. Answered by Done."""

    number: int
    work: Work
    """What the workers get, too: it has all that options and environment say."""
    log: str
    """The file that the process's output goes to from now on."""
    shape: str | None = None
    """The LoadTestShape that says how many users run."""


class Step(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Controller: `event` fires, one of STEPS. Answered by Done when its listeners are done."""

    number: int
    event: str


class Where(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Controller: where in the code is the step of this number? Answered by At."""

    number: int


class Requests(msgspec.Struct, frozen=True, array_like=True):
    """Requests to one endpoint in one second, as workers measured them."""

    method: str
    name: str
    wall_s: int
    total: int
    failed: int
    received_bytes: int
    without_latency: int
    max_ms: float
    buckets: dict[int, int]
    """Latencies, failed requests included, as in worker/load/histogram.py."""


class Occurred(msgspec.Struct, frozen=True, array_like=True):
    """An error at an endpoint, or, without one, an exception of the users' code, and how often it was reported."""

    method: str
    name: str
    error: str
    count: int


class Tick(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Controller, once a second: the state of the run, and what was measured since the tick before."""

    state: str
    """Locust's word for it."""
    users_wanted: int
    workers: dict[str, dict[str, int]]
    """The users of each class that each connected worker says that it runs."""
    requests: list[Requests] = []
    occurred: list[Occurred] = []


class Spawned(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Controller: a ramp is over, and so many users run."""

    users: int


class Reported(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Controller: a worker has reported, with what the listeners there have attached."""

    worker: str
    users: dict[str, int]
    attached: bytes


class FromWorker(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Controller: a message of the locustfile on a worker."""

    worker: str
    kind: str
    data: bytes


class StartShape(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Controller: the shape says from now on how many users run; its run time is `ran_s` already."""

    ran_s: float = 0.0


class End(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Controller: there is nothing more to do. `quit` fires, and the process ends."""


class Done(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Process: Begin or a Step is done. `failed` is the first failure of its listeners, empty without one."""

    number: int
    failed: str = ""
    exit_code: int | None = None
    """The environment's process_exit_code; None where the locustfile has set none."""


class At(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Process: where the step is now."""

    number: int
    place: str


class ListenerFailed(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Process: a listener, or what handles a message, has raised an exception."""

    event: str
    kind: str
    message: str
    place: str
    line: str


class ToWorkers(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Process: a message of the locustfile to a worker; None: to all."""

    kind: str
    data: bytes
    worker: str | None = None


class QuitAsked(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Process: the locustfile wants the test to end."""

    reason: str


class RampAsked(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Process: the shape wants so many users; answered by Spawned."""

    users: int
    spawn_rate: float
    classes: list[str] | None = None
    """Of these classes alone; None: of all."""


class ShapeEnded(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Process: the shape has come to its end, by itself or because its `tick` `failed`."""

    failed: str = ""


STEPS = ("test_start", "test_stopping", "test_stop", "quitting")

FromProcess = (
    Importing | Inspected | Refused | Done | At | ListenerFailed | ToWorkers | QuitAsked | RampAsked | ShapeEnded
)
ToProcess = Begin | Step | Where | Tick | Spawned | Reported | FromWorker | StartShape | End


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
