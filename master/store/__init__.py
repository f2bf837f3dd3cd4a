"""run.db: everything a run measured, in SQLite, readable while the run is on.

All times are seconds since the run began (the moment the first users were ordered); a `second` covers [second, second + 1).
A blob in `requests.histogram` is `worker.load.histogram.Histogram.encode()`; blobs of any rows merge without loss.
"""

from master.store.rows import ErrorRow, Event, ExceptionRow, FitnessRow, NodeRow, SampleGroup, SecondRow, WorkersSecond
from master.store.store import (
    CONTROLLER,
    FOLD_AGAIN_S,
    FURTHER_EVENTS,
    MAX_ENDPOINTS,
    MAX_ERRORS,
    MAX_EVENTS,
    OTHER,
    Store,
)

__all__ = [
    "CONTROLLER",
    "FOLD_AGAIN_S",
    "FURTHER_EVENTS",
    "MAX_ENDPOINTS",
    "MAX_ERRORS",
    "MAX_EVENTS",
    "OTHER",
    "ErrorRow",
    "Event",
    "ExceptionRow",
    "FitnessRow",
    "NodeRow",
    "SampleGroup",
    "SecondRow",
    "Store",
    "WorkersSecond",
]
