"""What a run says while it waits for its fleet."""

from __future__ import annotations

import pytest

from master.run.start.fleet import describe_wait


@pytest.mark.parametrize(
    ("workers_missing", "controller_present", "said"),
    [
        (0, True, "waiting for nodes: 3 of 3 ready"),
        (2, True, "waiting for nodes: 3 of 3 ready, 2 worker(s) still to come"),
        (0, False, "waiting for nodes: 3 of 3 ready, the controller's own agent still to come"),
        (2, False, "waiting for nodes: 3 of 3 ready, 2 worker(s) and the controller's own agent still to come"),
    ],
)
def test_a_wait_names_all_that_is_missing(workers_missing: int, controller_present: bool, said: str) -> None:
    """A run whose nodes are all there still waits for their workers, and for the agent that samples the controller's machine."""
    assert describe_wait(3, 3, workers_missing=workers_missing, controller_present=controller_present) == said
