"""Causes for which a check of the generator has no data, where they are known."""

from __future__ import annotations

from master.judge.faults import Faults
from master.judge.totals import Totals
from master.store import StoreReader

_BY_WORKERS = ("loop_lag_p99", "worker_cpu", "clock_error", "users")
_BY_FLAGS = ("throttling", "under_voltage")
_OF_ALL_LOAD = ("arrivals", "excluded_share")
_BY_SAMPLES = ("node_cpu", "node_memory", "missing_samples")


def causes(store: StoreReader, totals: Totals, steady_s: int, faults: Faults) -> dict[str, str]:
    """By check, why it may have no data; checks of which that isn't known are not in it."""
    if not steady_s:
        return dict.fromkeys(
            (*_BY_WORKERS, *_BY_SAMPLES, *_BY_FLAGS, "controller_cpu", "nodes", *_OF_ALL_LOAD),
            "the load was never held for a whole second, so no part of the run is judged",
        )
    found = {"controller_cpu": "the controller's own agent sent no sample in the steady part"}
    reported = faults.attempt("the workers' reports", lambda: next(store.workers_by_second(), None) is not None, True)
    if not reported:
        found |= dict.fromkeys((*_BY_WORKERS, *_OF_ALL_LOAD), "no worker reported anything")
    else:
        found["excluded_share"] = faults.attempt("why there were no requests", lambda: _no_request(store, totals), "")
    if not store.has_samples():
        found |= dict.fromkeys(_BY_SAMPLES, "no node sent a sample")
    return {check: why for check, why in found.items() if why}


def _no_request(store: StoreReader, totals: Totals) -> str:
    """Why no request ended in the steady part."""
    ended = sum(tally.total for tally in totals.whole.values())
    said = [f"no request ended in the steady part, {ended} outside of it" if ended else "no request ended at all"]
    in_flight = max((row.in_flight for row in store.workers_by_second()), default=0)
    if in_flight:
        said.append(f"up to {in_flight} were in flight")
    exceptions = store.exceptions()
    if exceptions:
        first = exceptions[0]
        where = f" ({first.place})" if first.place else ""
        count = sum(row.occurrences for row in exceptions)
        said.append(
            f"{count} exceptions in the code of users, most often of {first.user_class}: {first.type}:"
            f" {first.message}{where}"
        )
    return "; ".join(said)
