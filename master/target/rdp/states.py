"""The life of an RDP server as a table.

    created ── start ──► starting ── listening ──► running ── stop ──► stopping ── closed ──► stopped
                            └── not listening ──► failed

A server that is created, stopped or failed can be deleted, and one that is stopped or failed can be started again. When
the process that listens ends, what was starting, running or stopping is stopped; the next process starts again what ran.
"""

from __future__ import annotations

from enum import StrEnum


class ServerState(StrEnum):
    """Where a server stands."""

    CREATED = "created"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"
    DELETED = "deleted"


class ServerEvent(StrEnum):
    """What happens to a server. START, STOP and DELETE are asked for; the others come by themselves."""

    START = "start"
    LISTENING = "listening"
    NOT_LISTENING = "not listening"
    STOP = "stop"
    CLOSED = "closed"
    DELETE = "delete"
    PROCESS_ENDED = "process ended"


_STATE, _EVENT = ServerState, ServerEvent
TRANSITIONS: dict[tuple[ServerState, ServerEvent], ServerState] = {
    (_STATE.CREATED, _EVENT.START): _STATE.STARTING,
    (_STATE.STOPPED, _EVENT.START): _STATE.STARTING,
    (_STATE.FAILED, _EVENT.START): _STATE.STARTING,
    (_STATE.STARTING, _EVENT.LISTENING): _STATE.RUNNING,
    (_STATE.STARTING, _EVENT.NOT_LISTENING): _STATE.FAILED,
    (_STATE.RUNNING, _EVENT.STOP): _STATE.STOPPING,
    (_STATE.STOPPING, _EVENT.CLOSED): _STATE.STOPPED,
    (_STATE.STARTING, _EVENT.PROCESS_ENDED): _STATE.STOPPED,
    (_STATE.RUNNING, _EVENT.PROCESS_ENDED): _STATE.STOPPED,
    (_STATE.STOPPING, _EVENT.PROCESS_ENDED): _STATE.STOPPED,
    (_STATE.CREATED, _EVENT.DELETE): _STATE.DELETED,
    (_STATE.STOPPED, _EVENT.DELETE): _STATE.DELETED,
    (_STATE.FAILED, _EVENT.DELETE): _STATE.DELETED,
}


def next_state(state: ServerState, event: ServerEvent) -> ServerState | None:
    """The state after `event`, or None where it can't happen."""
    return TRANSITIONS.get((state, event))
