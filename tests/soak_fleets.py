"""Fleets whose memory is made up, with and without a leak: what the verdict of a soak is held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.random import Generator

from master.analysis.soak.adjustment import DAY_S
from master.analysis.soak.assess import judge
from master.analysis.soak.blocks import Blocks, divide
from master.analysis.soak.series import Floats, Series
from master.judge.result import SoakMetric

NODES = 500
LEVEL_BYTES = 200e6
SPREAD_BYTES = 20e6
"""Standard deviation of a node's memory: twice what a drift must come to in a day, so that no floor hides a false alarm."""
LEAK_PER_HOUR = 0.01

Values = Callable[[Generator, Blocks, int], Floats]


def blocks_of(hours: float) -> Blocks:
    """The blocks of a hold of so many hours."""
    blocks = divide((0, round(3600 * hours)))
    assert blocks is not None
    return blocks


def middles_s(blocks: Blocks) -> Floats:
    """The middle of each block, in seconds of the run."""
    return blocks.start_s + blocks.length_s * (np.arange(blocks.count) + 0.5)


def autocorrelated(correlation: float) -> Values:
    """Values that resemble those of the block before, of standard deviation 1."""

    def make(random: Generator, blocks: Blocks, nodes: int) -> Floats:
        steps = random.standard_normal((blocks.count, nodes)) * np.sqrt(1 - correlation**2)
        values = np.empty((blocks.count, nodes))
        values[0] = random.standard_normal(nodes)
        for block in range(1, blocks.count):
            values[block] = correlation * values[block - 1] + steps[block]
        return values.T

    return make


def from_samples(correlation: float, period_s: float = 10.0) -> Values:
    """The mean of each block of samples that resemble the sample before, of standard deviation 1."""

    def make(random: Generator, blocks: Blocks, nodes: int) -> Floats:
        each = max(1, round(blocks.length_s / period_s))
        value, means = random.standard_normal(nodes), np.empty((nodes, blocks.count))
        for block in range(blocks.count):
            total = np.zeros(nodes)
            for _ in range(each):
                value = correlation * value + np.sqrt(1 - correlation**2) * random.standard_normal(nodes)
                total += value
            means[:, block] = total / each
        return means

    return make


def saw_tooth(random: Generator, blocks: Blocks, nodes: int) -> Floats:
    """Memory that rises for 20 minutes to 5 hours, another time on each node, and is then collected at once; its lowest in each block."""
    inside = np.arange(6) / 6
    times_s = (blocks.start_s + blocks.length_s * (np.arange(blocks.count)[:, None] + inside)).ravel()
    period_s = random.uniform(1200, 18_000, nodes)[:, None]
    teeth = ((times_s + random.uniform(0, 1, nodes)[:, None] * period_s) / period_s) % 1
    lowest = teeth.reshape(nodes, blocks.count, -1).min(axis=2)
    return 3 * lowest + 0.05 * random.standard_normal((nodes, blocks.count))


def daily_rhythm(random: Generator, blocks: Blocks, nodes: int) -> Floats:
    """More by day than by night, and more about noon, each node at another hour."""
    angle = 2 * np.pi * (middles_s(blocks) / DAY_S + random.uniform(0, 1, nodes)[:, None])
    rhythm = random.uniform(0.5, 2, nodes)[:, None] * np.sin(angle) + random.uniform(0, 0.5, nodes)[:, None] * np.sin(
        2 * angle
    )
    return rhythm + 0.2 * random.standard_normal((nodes, blocks.count))


QUIET: Mapping[str, Values] = {
    "independent blocks": autocorrelated(0.0),
    "autocorrelation .8 from sample to sample": from_samples(0.8),
    "autocorrelation .95 from sample to sample": from_samples(0.95),
    "autocorrelation .8 from block to block": autocorrelated(0.8),
    "autocorrelation .95 from block to block": autocorrelated(0.95),
    "saw-tooth": saw_tooth,
    "daily rhythm": daily_rhythm,
}
"""Fleets in which nothing leaks."""


def memory(values: Floats) -> list[Series]:
    """The nodes whose memory deviates by `values` from their level, in units of SPREAD_BYTES."""
    return [
        Series(f"node{index:03}", LEVEL_BYTES + SPREAD_BYTES * row, saws=True) for index, row in enumerate(values, 1)
    ]


def hot_node(random: Generator, blocks: Blocks, nodes: int = NODES) -> list[Series]:
    """Nodes whose memory goes with their heat, 1 MB for each degree; one gets 25 °C hotter over the run."""
    heat = 55 + 2 * from_samples(0.95)(random, blocks, nodes)
    heat[0] += np.linspace(0, 25, blocks.count)
    found = []
    for index, degrees in enumerate(heat, 1):
        values = LEVEL_BYTES + 1e6 * degrees + 0.3e6 * random.standard_normal(blocks.count)
        found.append(Series(f"node{index:03}", values, degrees, saws=True))
    return found


def leak(series: Series, blocks: Blocks, share_per_hour: float = LEAK_PER_HOUR) -> Series:
    """The same node, whose memory leaks besides."""
    grown = series.values[0] * share_per_hour * (middles_s(blocks) - blocks.start_s) / 3600
    return Series(series.subject, series.values + grown, series.heat_c, series.saws)


def judged(series: list[Series], blocks: Blocks, metric: str = "node_memory") -> SoakMetric:
    """What is made of one metric, without a limit."""
    soak = judge({metric: series}, blocks, {})
    return next(row for row in soak.metrics if row.metric == metric)
