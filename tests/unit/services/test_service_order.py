"""The order of dependence, for any graph of services."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.services.order import DependencyCycleError, dependency_order

NAMES = "abcdefgh"
GRAPHS = st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), max_size=3)).map(
    lambda graph: {name: graph.get(name, []) for name in NAMES}
)


def order_or_cycle(graph: dict[str, list[str]]) -> tuple[list[str], tuple[str, ...]]:
    try:
        return dependency_order(graph), ()
    except DependencyCycleError as error:
        return [], error.path


@given(GRAPHS)
def test_each_comes_after_what_it_depends_on_or_a_real_cycle_is_named(graph: dict[str, list[str]]) -> None:
    """Either every dependency comes first, or the path that is named goes along dependencies back to its start."""
    order, path = order_or_cycle(graph)
    if path:
        assert path[0] == path[-1] == min(path)
        assert all(later in graph[earlier] for earlier, later in pairwise(path))
    else:
        assert sorted(order) == sorted(graph)
        assert all(order.index(other) < order.index(name) for name in graph for other in graph[name])


def test_a_service_that_depends_on_itself_is_a_cycle() -> None:
    """The shortest path there is."""
    with pytest.raises(DependencyCycleError, match="a → a"):
        dependency_order({"a": ["a"]})


def test_services_that_are_independent_come_by_name() -> None:
    """The order does not depend on that of the files."""
    assert dependency_order({"c": [], "a": [], "b": []}) == ["a", "b", "c"]
