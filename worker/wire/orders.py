"""Orders: what a process of a node is given at its start, one line of JSON on its standard input."""

from __future__ import annotations

import msgspec

from worker.wire.curve import Endpoint, Keys
from worker.wire.work import Work


class WorkerSpec(msgspec.Struct, frozen=True):
    """One worker: its node's name and keys, and its numbers."""

    node: str
    number: int
    """Its place among all workers of the fleet, from 0."""
    keys: Keys
    index: int = 0
    """Its number among the workers of its node, from 0."""


class WorkerOrders(msgspec.Struct, frozen=True):
    """Orders of a process with one worker, whose node's agent is another process. It ends when its standard input closes."""

    endpoint: Endpoint
    worker: WorkerSpec
    work: Work


class NodeOrders(msgspec.Struct, frozen=True):
    """Orders of the agent of a node. The controller sends it the work of its workers over the wire.

    It ends `outlive_s` after its standard input has closed, unless a message of a controller comes meanwhile.
    """

    node: str
    endpoint: Endpoint
    keys: Keys
    carries_load: bool = True
    """Whether it is to have workers; without it the agent only samples its machine."""
    outlive_s: float = 0.0
