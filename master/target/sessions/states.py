"""The life of a session, as a table: whatever is not in it is answered with 409.

    created    ── chunk ──► recording
    created    ── close ──► processing
    recording  ── chunk ──► recording
    recording  ── close ──► processing
    processing ── verify ──► processed
    processing ── fail ──► failed
    processed  ── anchor ──► anchoring
    anchoring  ── refuse ──► processed
    anchoring  ── finalize ──► anchored
    anchoring  ── fail ──► failed
    failed     ── reopen ──► recording
    failed     ── retry ──► processing

A client sends chunks, closes, asks for the anchor and recovers (`reopen` to send damaged chunks anew, `retry` to have the same
chunks processed again). The target itself verifies, fails, and learns from the chain that a transaction was refused, became
final or was lost. A client that closes twice, or sends a chunk late, is wrong; nothing that it does moves a session past a step.
"""

from __future__ import annotations

from enum import StrEnum

from master.target.api import errors


class State(StrEnum):
    """Where a session stands."""

    CREATED = "created"
    RECORDING = "recording"
    PROCESSING = "processing"
    PROCESSED = "processed"
    ANCHORING = "anchoring"
    ANCHORED = "anchored"
    FAILED = "failed"


class SessionEvent(StrEnum):
    """What can happen to a session."""

    CHUNK = "chunk"
    CLOSE = "close"
    VERIFY = "verify"
    FAIL = "fail"
    ANCHOR = "anchor"
    REFUSE = "refuse"
    FINALIZE = "finalize"
    REOPEN = "reopen"
    RETRY = "retry"


TRANSITIONS: dict[tuple[State, SessionEvent], State] = {
    (State.CREATED, SessionEvent.CHUNK): State.RECORDING,
    (State.CREATED, SessionEvent.CLOSE): State.PROCESSING,
    (State.RECORDING, SessionEvent.CHUNK): State.RECORDING,
    (State.RECORDING, SessionEvent.CLOSE): State.PROCESSING,
    (State.PROCESSING, SessionEvent.VERIFY): State.PROCESSED,
    (State.PROCESSING, SessionEvent.FAIL): State.FAILED,
    (State.PROCESSED, SessionEvent.ANCHOR): State.ANCHORING,
    (State.ANCHORING, SessionEvent.REFUSE): State.PROCESSED,
    (State.ANCHORING, SessionEvent.FINALIZE): State.ANCHORED,
    (State.ANCHORING, SessionEvent.FAIL): State.FAILED,
    (State.FAILED, SessionEvent.REOPEN): State.RECORDING,
    (State.FAILED, SessionEvent.RETRY): State.PROCESSING,
}


def next_state(state: State, event: SessionEvent) -> State:
    """The state after `event`. Raises ApiError 409 if it can't happen in `state`."""
    following = TRANSITIONS.get((state, event))
    if following is None:
        raise errors.conflict(f"session is {state.value}")
    return following
