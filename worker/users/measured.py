"""Requests of the users that come with piswarm that are no HTTP: as worker.measure counts them, but a failure ends the task."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from worker.measure import FailedRequestError, Measurement, describe, measure, report

__all__ = ["FailedRequestError", "Measurement", "measured", "report"]


@contextmanager
def measured(user: Any, method: str, name: str, failures: tuple[type[Exception], ...]) -> Iterator[Measurement]:
    """One request of `user`: what is done in the with-block, counted as `method` and `name` with its latency.

    One of `failures` in the block, or a failed request that is a part of this one, is its failure, and leaves it as
    FailedRequestError. Other exceptions pass through uncounted: they are faults of the user's code.
    """
    with measure(user, method, name, failures=(FailedRequestError, *failures)) as request:
        yield request
    if request.failure is not None:
        raise FailedRequestError(describe(request.failure)) from request.failure
