"""What the generator is judged by of the steady seconds of one node, as one blob: so that who takes a run over need not read a day. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from master.judge.seconds.fitness import FitnessLog, FleetPercents, Percents
from master.judge.seconds.unfit import NodeCondition
from master.store import CONTROLLER
from master.store.thinned.columns import DamagedPackError
from worker.load.histogram import Histogram

MAX_BYTES = 1 << 20
_LEVEL = 1

Totals = TypeVar("Totals")

Bins = dict[int, int]
"""How often each value was counted, those left out that never were."""


class WorkerTotals(msgspec.Struct, array_like=True):
    """Of the workers of a node."""

    lag_max_ms: float = 0.0
    lag: Bins = {}
    """All probes of their loops."""
    fit_max_ms: float = 0.0
    fit: Bins = {}
    """Those of fit seconds."""
    cpu: Bins = {}
    timed: int = 0
    timed_lag: dict[int, float] = {}
    """As in LagByRequest."""


class SampleTotals(msgspec.Struct, array_like=True):
    """Of the samples of a node."""

    samples: int = 0
    cpu: Bins = {}
    memory: Bins = {}
    temperature: Bins = {}
    throttled: int = 0
    throttling_unknown: int = 0
    throttling_unknown_of_pi: int = 0
    under_voltage: int = 0
    under_voltage_unknown: int = 0


def add_worker_rows(node: str, before: bytes | None, rows: Iterable[tuple[bytes, float | None, str, int]]) -> bytes:
    """`before` and more steady worker-seconds: the histogram of lag, the CPU, why it was unfit, and requests ended by its own clock."""
    log = FitnessLog()
    if before is not None:
        add_workers(log, node, before)
    for encoded, cpu_percent, unfit, userspace_timed in rows:
        log.add_lag(node, Histogram.decode(encoded), fit=not unfit, userspace_timed=userspace_timed)
        if cpu_percent is not None:
            log.add_worker_cpu(node, cpu_percent)
    lag, timed = log.lag[node], log.lag_by_request[node]
    fit = log.lag_when_fit
    return _pack(
        WorkerTotals(
            lag.max_ms,
            lag.buckets,
            fit.max_ms,
            fit.buckets,
            _bins(log.worker_cpu[node]),
            timed.requests,
            dict(timed.buckets),
        )
    )


def add_workers(log: FitnessLog, node: str, data: bytes) -> None:
    """Add what `add_worker_rows` has made to a log. Raises DamagedPackError."""
    totals = _unpack(data, _workers)
    if totals.lag:
        log.lag.add(node, Histogram(totals.lag, totals.lag_max_ms))
    log.lag_when_fit.merge(Histogram(totals.fit, totals.fit_max_ms))
    if totals.cpu:
        _add_bins(log.worker_cpu, node, totals.cpu)
    if totals.timed:
        timed = log.lag_by_request[node]
        timed.requests += totals.timed
        for bucket, requests in totals.timed_lag.items():
            timed.buckets[bucket] += requests


def add_sample_rows(node: str, before: bytes | None, conditions: Iterable[NodeCondition]) -> bytes:
    """`before` and the samples of more steady seconds."""
    log, samples = FitnessLog(), 0
    if before is not None:
        samples += add_samples(log, node, before)
    for condition in conditions:
        samples += 1
        if node == CONTROLLER:
            log.add_controller(condition.cpu_percent)
        else:
            log.add_node(node, condition)
    return _pack(
        SampleTotals(
            samples,
            _bins(log.controller_cpu if node == CONTROLLER else log.node_cpu[node]),
            _bins(log.node_memory[node]),
            _bins(log.temperature_c[node]),
            log.throttled[node],
            log.throttling_unknown[node],
            log.throttling_unknown_of_pis[node],
            log.under_voltage[node],
            log.under_voltage_unknown[node],
        )
    )


def add_samples(log: FitnessLog, node: str, data: bytes) -> int:
    """Add what `add_sample_rows` has made to a log; how many samples it is of. Raises DamagedPackError."""
    totals = _unpack(data, _samples)
    if node == CONTROLLER:
        _add_to(log.controller_cpu, totals.cpu)
        return totals.samples
    for fleet, bins in (
        (log.node_cpu, totals.cpu),
        (log.node_memory, totals.memory),
        (log.temperature_c, totals.temperature),
    ):
        if bins:
            _add_bins(fleet, node, bins)
    log.seconds[node] += totals.samples
    log.throttled[node] += totals.throttled
    log.throttling_unknown[node] += totals.throttling_unknown
    log.throttling_unknown_of_pis[node] += totals.throttling_unknown_of_pi
    log.under_voltage[node] += totals.under_voltage
    log.under_voltage_unknown[node] += totals.under_voltage_unknown
    return totals.samples


def _bins(percents: Percents) -> Bins:
    return {bin_: count for bin_, count in enumerate(percents.bins) if count}


def _add_bins(fleet: FleetPercents, node: str, bins: Bins) -> None:
    _add_to(fleet[node], bins)
    _add_to(fleet.all, bins)


def _add_to(percents: Percents, bins: Bins) -> None:
    for bin_, count in bins.items():
        if not 0 <= bin_ < len(percents.bins):
            raise DamagedPackError("a share beyond 100 %")
        percents.bins[bin_] += count


def _pack(totals: msgspec.Struct) -> bytes:
    return zlib.compress(msgspec.msgpack.encode(totals), _LEVEL)


def _unpack(data: bytes, decoder: msgspec.msgpack.Decoder[Totals]) -> Totals:
    try:
        return decoder.decode(zlib.decompressobj().decompress(data, MAX_BYTES))
    except (zlib.error, msgspec.MsgspecError) as error:
        raise DamagedPackError(f"totals of a node: {error}") from None


_workers, _samples = msgspec.msgpack.Decoder(WorkerTotals), msgspec.msgpack.Decoder(SampleTotals)
