"""result.json: the outcome of a run, schema `piswarm/result/2`.

Numbers are numbers, with the unit in their key or in the key of what they are part of (`latency_ms`: p50, p95 ...); what counts
something has no unit. Unknown is null. docs/performance/result.schema.json is made of the structs (`make result-schema`).

`requests` and each endpoint's `total` and `failed` count the whole run, ramps and stopping included, so that they can be held
against what the target counted. Rates, percentiles, thresholds and validity speak of the steady part alone (the holds of the
stages), and of requests measured while their node was fit.
"""

from master.judge.result.comparison import (
    Change,
    ComparedEndpoint,
    ComparedFigure,
    ComparedRun,
    Comparison,
    ComparisonMethod,
    Floors,
)
from master.judge.result.data import DataResult
from master.judge.result.fleet import ClockOffset, Excluded, Nodes
from master.judge.result.json_values import for_json
from master.judge.result.latency import Latency
from master.judge.result.load import ClassLoad, Load, Missed, Users
from master.judge.result.requests import EndpointResult, ErrorResult, ExceptionResult, InFlight, Requests
from master.judge.result.result import SCHEMA, Gap, Result, ThinnedPart, VerdictName, Versions
from master.judge.result.rules import NO_DATA, Op, ThresholdResult, ValidityResult
from master.judge.result.soak import Soak, SoakMetric, SoakSubject
from master.judge.result.target import TargetFigures

__all__ = [
    "NO_DATA",
    "SCHEMA",
    "Change",
    "ClassLoad",
    "ClockOffset",
    "ComparedEndpoint",
    "ComparedFigure",
    "ComparedRun",
    "Comparison",
    "ComparisonMethod",
    "DataResult",
    "EndpointResult",
    "ErrorResult",
    "ExceptionResult",
    "Excluded",
    "Floors",
    "Gap",
    "InFlight",
    "Latency",
    "Load",
    "Missed",
    "Nodes",
    "Op",
    "Requests",
    "Result",
    "Soak",
    "SoakMetric",
    "SoakSubject",
    "TargetFigures",
    "ThinnedPart",
    "ThresholdResult",
    "Users",
    "ValidityResult",
    "VerdictName",
    "Versions",
    "for_json",
]
