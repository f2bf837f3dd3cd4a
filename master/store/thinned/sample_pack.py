"""The samples of some nodes over a span of time, as one blob: the lowest, mean and highest of each figure, and flags. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from master.store.thinned.columns import (
    DamagedPackError,
    decode_pack,
    encode_pack,
    known,
    pack_integers,
    pack_numbers,
    unpack,
)
from worker.telemetry.pi.models import THROTTLE_FROM_C
from worker.wire.messages import Reading

FIGURES = Reading.__struct_fields__
"""The columns of a sample."""
_LATELY = 2 + FIGURES.index("conditions_lately")
_TEMPERATURE = 2 + FIGURES.index("temperature_c")


class FlagCount(NamedTuple):
    """How many samples had the same conditions since the sample before, and how many of these were at THROTTLE_FROM_C or hotter."""

    conditions: int
    samples: int
    hot: int


class PackedSamples(NamedTuple):
    """The samples of one node."""

    node: int
    """Its number in run.db."""
    samples: int
    ranges: tuple[tuple[float, float, float] | None, ...]
    """By figure asked for: the lowest, the mean and the highest; None where no sample knows it."""
    flags: tuple[FlagCount, ...]


def pack_samples(rows: Sequence[Sequence[Any]]) -> bytes:
    """Pack rows of the table `samples`, which are in order of node: the second, the node's number, and FIGURES."""
    places = [index for index, (one, other) in enumerate(pairwise(rows), 1) if one[1] != other[1]]
    nodes = [rows[start:end] for start, end in pairwise([0, *places, len(rows)])]
    columns = {
        "node": pack_integers([node[0][1] for node in nodes]),
        "samples": pack_integers([len(node) for node in nodes]),
    }
    flags = [Counter((row[_LATELY], _is_hot(row[_TEMPERATURE])) for row in node) for node in nodes]
    columns["flags"] = pack_integers([len(each) for each in flags])
    columns["flags_of"] = pack_integers([conditions for each in flags for conditions, _ in each])
    columns["flags_hot"] = pack_integers([hot for each in flags for _, hot in each])
    columns["flags_samples"] = pack_integers([count for each in flags for count in each.values()])
    for place, name in enumerate(FIGURES, 2):
        values = [[row[place] for row in node if row[place] is not None] for node in nodes]
        lowest, highest = ([pick(each) if each else math.nan for each in values] for pick in (min, max))
        columns[f"{name}_lowest"], columns[f"{name}_highest"] = _numbers(lowest), _numbers(highest)
        columns[f"{name}_mean"] = pack_numbers([math.fsum(each) / len(each) if each else math.nan for each in values])
    return encode_pack(columns)


def unpack_samples(data: bytes, figures: Sequence[str], wanted: Container[int]) -> Iterator[PackedSamples]:
    """Of the nodes of a pack those with a `wanted` number, with the `figures` that are asked for. Raises DamagedPackError."""
    columns = decode_pack(data)
    try:
        nodes = unpack(columns["node"])
        if not any(node in wanted for node in nodes):
            return
        samples, lengths = unpack(columns["samples"]), unpack(columns["flags"])
        flags = zip(*(unpack(columns[f"flags_{name}"]) for name in ("of", "samples", "hot")), strict=True)
        triples = [
            list(zip(*(unpack(columns[f"{name}_{kind}"]) for kind in ("lowest", "mean", "highest")), strict=True))
            for name in figures
        ]
        for place, (node, count, length) in enumerate(zip(nodes, samples, lengths, strict=True)):
            told = [next(flags) for _ in range(int(length))]
            if node not in wanted:
                continue
            yield PackedSamples(
                int(node),
                int(count),
                tuple(None if known(of[place][1]) is None else of[place] for of in triples),
                _flag_counts(told),
            )
    except (KeyError, ValueError, IndexError, StopIteration, RuntimeError) as error:
        raise DamagedPackError(f"samples: {error!r}") from None


def _flag_counts(told: Sequence[tuple[float, float, float]]) -> tuple[FlagCount, ...]:
    """From conditions, number and whether they were hot: one for each condition."""
    if len(told) == 1:  # by far the most: a minute in which nothing changed
        ((conditions, often, is_hot),) = told
        return (FlagCount(int(conditions), int(often), int(often) if is_hot else 0),)
    counted, hot = Counter[int](), Counter[int]()
    for conditions, often, is_hot in told:
        counted[int(conditions)] += int(often)
        hot[int(conditions)] += int(often) if is_hot else 0
    return tuple(FlagCount(conditions, often, hot[conditions]) for conditions, often in counted.items())


def _is_hot(temperature_c: float | None) -> bool:
    return temperature_c is not None and temperature_c >= THROTTLE_FROM_C


def _numbers(values: Sequence[float]) -> bytes:
    """Whole numbers as such, which are shorter and exact beyond 53 bits."""
    if all(isinstance(value, int) for value in values):
        return pack_integers([int(value) for value in values])
    return pack_numbers(values)
