"""A state as the page that Prometheus reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from master.web.metrics.families import families
from master.web.metrics.state import LiveState

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class _Family:
    """One family as a registry of its own, so that a page can be made family by family."""

    def __init__(self, family: Any) -> None:
        self._family = family

    def collect(self) -> Iterator[Any]:
        yield self._family


def page_parts(state: LiveState) -> Iterator[bytes]:
    """The page, family by family; some take 30 ms, all of 500 nodes and 1000 endpoints 0.2 s."""
    for family in families(state):
        yield generate_latest(_Family(family))
