"""run.db: everything a run measured, in SQLite, readable while the run is on.

All times are seconds since the run began (the moment the first users were ordered); a `second` covers [second, second + 1).
A blob in `requests.histogram` is `worker.load.histogram.Histogram.encode()`; blobs of any rows merge without loss.
Light to import (no pydantic, YAML, gevent or Locust), since `piswarm nodes` is to answer at once.
"""

from master.store.file import check_integrity, unreadable
from master.store.measured_writer import MAX_ENDPOINTS, OTHER
from master.store.reader import StoreReader
from master.store.rows import (
    CHECKPOINT_KEY,
    CONTROLLER,
    ERROR_SPAN_S,
    RACKS_KEY,
    ErrorRow,
    ErrorSpan,
    Event,
    ExceptionRow,
    FitnessRow,
    LatestSample,
    NodeRow,
    RequestRow,
    SampleBlock,
    SampleGroup,
    SampleRange,
    SecondRow,
    TargetRow,
    WorkersSecond,
)
from master.store.schema import VERSION
from master.store.writer import (
    FOLD_AGAIN_S,
    FURTHER_EVENTS,
    FURTHER_KINDS,
    MAX_ERROR_KINDS,
    MAX_ERRORS,
    MAX_EVENTS,
    Store,
)

__all__ = [
    "CHECKPOINT_KEY",
    "CONTROLLER",
    "ERROR_SPAN_S",
    "FOLD_AGAIN_S",
    "FURTHER_EVENTS",
    "FURTHER_KINDS",
    "MAX_ENDPOINTS",
    "MAX_ERRORS",
    "MAX_ERROR_KINDS",
    "MAX_EVENTS",
    "OTHER",
    "RACKS_KEY",
    "VERSION",
    "ErrorRow",
    "ErrorSpan",
    "Event",
    "ExceptionRow",
    "FitnessRow",
    "LatestSample",
    "NodeRow",
    "RequestRow",
    "SampleBlock",
    "SampleGroup",
    "SampleRange",
    "SecondRow",
    "Store",
    "StoreReader",
    "TargetRow",
    "WorkersSecond",
    "check_integrity",
    "unreadable",
]
