"""The order of services: each after all that it depends on. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter


class DependencyCycleError(ValueError):
    """Services that depend on each other in a circle. `path` begins and ends with the same one, which is the first by name."""

    def __init__(self, path: Sequence[str]) -> None:
        super().__init__(f"depend on each other in a circle: {' → '.join(path)}")
        self.path = tuple(path)


def dependency_order(depends_on: Mapping[str, Sequence[str]]) -> list[str]:
    """The names, each after those it depends on, and otherwise by name. Raises DependencyCycleError.

    Every name that is depended on must be a key.
    """
    sorter = TopologicalSorter({name: sorted(depends_on[name]) for name in sorted(depends_on)})
    try:
        sorter.prepare()
    except CycleError as error:
        raise DependencyCycleError(_from_first(error.args[1])) from None
    order: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        order += ready
        sorter.done(*ready)
    return order


def _from_first(cycle: Sequence[str]) -> list[str]:
    """The cycle as a path of dependence, where `cycle` names each before what depends on it."""
    path = list(reversed(cycle[1:]))
    at = path.index(min(path))
    return [*path[at:], *path[:at], path[at]]
