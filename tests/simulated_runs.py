"""Runs whose truth is known, made of random numbers: seconds that depend on each other, as a target's do.

Each second has a state that follows the one before (an autoregressive process of order one), in which all endpoints share; latencies
are lognormal around it, arrivals Poisson. Two runs of the same may differ by more than that: `between_runs` is by how much their
medians spread.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from master.analysis.compare.cells import EndpointCells, RunCells
from worker.load.histogram import GAMMA, LAST_BUCKET


@dataclass(frozen=True)
class SimulatedTarget:
    """What is asked of a target, and how it answers."""

    rates_per_s: tuple[float, ...]
    """By endpoint."""
    median_ms: float = 20.0
    spread: float = 0.5
    """Standard deviation of the logarithm of latencies within a second."""
    autocorrelation: float = 0.8
    """From one second's state to the next's."""
    wander: float = 0.1
    """Standard deviation of the state, in logarithms of latency."""
    between_runs: float = 0.0
    error_share: float = 0.002
    slower: dict[int, float] = field(default_factory=dict)
    """By endpoint, how many times as long everything takes."""


def simulated_run(target: SimulatedTarget, seconds: int, dice: np.random.Generator) -> RunCells:
    """One run of a target, as cells of a second."""
    state = _autoregressive(seconds, target.autocorrelation, dice) * target.wander
    state = state + dice.normal(0.0, target.between_runs)
    endpoints = {
        ("GET", f"/{number}"): _endpoint(target, number, rate, state, dice)
        for number, rate in enumerate(target.rates_per_s)
    }
    return RunCells(1, np.ones(seconds), [seconds], endpoints, _together([*endpoints.values()]))


def _autoregressive(seconds: int, autocorrelation: float, dice: np.random.Generator) -> NDArray[np.float64]:
    steps = dice.normal(size=seconds)
    found = np.empty(seconds)
    found[0] = steps[0]
    for second in range(1, seconds):
        found[second] = autocorrelation * found[second - 1] + math.sqrt(1 - autocorrelation**2) * steps[second]
    return found


def _endpoint(
    target: SimulatedTarget, number: int, rate: float, state: NDArray[np.float64], dice: np.random.Generator
) -> EndpointCells:
    requests = dice.poisson(rate, len(state))
    failed = dice.binomial(requests, target.error_share)
    answered = requests - failed
    second = np.repeat(np.arange(len(state)), answered)
    middle = math.log(target.median_ms * target.slower.get(number, 1.0) * (1 + 0.2 * number))
    logs = middle + state[second] + dice.normal(0.0, target.spread, len(second))
    buckets = np.clip(np.ceil((logs + math.log(1000)) / math.log(GAMMA)), 0, LAST_BUCKET).astype(np.int64)
    used, place = np.unique(buckets, return_inverse=True)
    counts = np.zeros((len(state), len(used)), dtype=np.float32)
    np.add.at(counts, (second, place), 1)
    return EndpointCells(requests.astype(float), failed.astype(float), used, counts)


def _together(parts: list[EndpointCells]) -> EndpointCells:
    used = np.unique(np.concatenate([part.buckets for part in parts]))
    counts = np.zeros((len(parts[0].total), len(used)), dtype=np.float32)
    for part in parts:
        counts[:, np.searchsorted(used, part.buckets)] += part.counts
    return EndpointCells(sum(part.total for part in parts), sum(part.failed for part in parts), used, counts)
