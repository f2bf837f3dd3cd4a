"""A run without result.json is judged by its run.db, whether its seconds are kept one by one or thinned."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from judged_run import NODE, scenario
from report_example import FACTS, reading, tally
from thinned_run import thin

from master.errors import InputError
from master.judge.result import Result
from master.run.checkpoint import Checkpoint
from master.run.directory import RunDirectory
from master.run.stored_result import judge_stored
from master.store import CHECKPOINT_KEY, CONTROLLER, FitnessRow, NodeRow, SecondRow, Store
from worker.telemetry.conditions import pack_flags

LENGTH_S = 200
HOLD = (5.0, 199.0)
WELL = msgspec.structs.replace(reading(), conditions=pack_flags(0), conditions_lately=pack_flags(0))
LAG = tally(0.5).histogram.encode()
RULES = ("p95 < 50 ms", "errors < 1 %", "GET /x p99 < 1 s over 10s")


def stored(path: Path, *, ended_s: float | None, verdict: str | None = None, thinned_s: int = 0) -> RunDirectory:
    """A run of which one node made three requests a second, as its controller has left it."""
    path.mkdir()
    directory = RunDirectory(path)
    plan = scenario(*RULES)
    directory.scenario.write_text(plan.to_yaml(), "utf-8")
    with closing(Store(directory.database, create=True)) as store:
        store.put_meta("started_at", "2026-05-04T03:02:01+00:00")
        store.put_meta("warnings", ["the machine is small"])
        store.put_meta("verdict", verdict)
        store.put_node(NODE, msgspec.structs.replace(FACTS, simulated=False))
        store.put_node_rows([NodeRow(NODE, "ready", 90.0, 1.0)])
        for second in range(LENGTH_S):
            store.put_second(SecondRow(second, "1 hold", HOLD[0] < second < HOLD[1] - 1, 10, 1, 0, 0))
            store.add_requests(second, ("GET", "/x"), tally(1.0, 2.0, 8.0), fit=second != 50)
            store.put_samples([(NODE, second, WELL), (CONTROLLER, second, WELL)])
            unfit = "loop lag above 50 ms" if second == 50 else ""
            store.put_fitness([FitnessRow(NODE, second, 1.0, 20.0, 3, unfit, lag=LAG, users=10)])
        checkpoint = Checkpoint(
            boot="", began_s=0.0, began_wall_s=0.0, offset_s=LENGTH_S - 0.5, stage=0, kind="hold", stage_left_s=5.0,
            steady_spans=[HOLD], gaps=[], users_peak=10, nodes_peak=1, nodes_lost=[], nodes_quarantined=[], ready_s=3.0,
            unreported_workers=[], dropped={"late": 2}, ended_s=ended_s,
        )  # fmt: skip
        store.put_meta(CHECKPOINT_KEY, msgspec.to_builtins(checkpoint))
        store.commit()
        if thinned_s:
            thin(store, plan.thresholds, [(HOLD[0] + 0.6, HOLD[1] - 0.6)], thinned_s)
    return directory


def judged(directory: RunDirectory) -> Result:
    with closing(Store(directory.database)) as store:
        return judge_stored(directory, store)


def test_a_run_that_had_been_judged_keeps_its_verdict_and_has_its_figures(tmp_path: Path) -> None:
    """All of the hold is judged, and what the checkpoint has of nodes, users and refused messages is in the result."""
    found = judged(stored(tmp_path / "run", ended_s=198.0, verdict="PASS"))
    assert (found.verdict, found.duration_s, found.steady_s) == ("PASS", 198.0, 192)
    assert (found.requests.total, found.requests.rate_per_s) == (3 * LENGTH_S, 3.0)
    assert (found.nodes.peak, found.nodes.ready_s, found.users.peak) == (1, 3.0, 10)
    assert (found.dropped_messages, [clock.node for clock in found.clocks_off]) == ({"late": 2}, [NODE])
    assert [row.ok for row in found.validity if row.check == "clock_error"] == [None]
    assert found.excluded_share == pytest.approx(1 / 192, abs=1e-6)
    assert found.warnings[0] == "the machine is small"


def test_a_verdict_that_run_db_does_not_come_to_is_kept_and_said(tmp_path: Path) -> None:
    """What a run was judged at its end is not taken back by what of it is left."""
    found = judged(stored(tmp_path / "run", ended_s=198.0, verdict="FAIL"))
    assert found.verdict == "FAIL"
    assert found.reason.startswith("It was judged FAIL at its end. What run.db has of it comes to PASS: ")


def test_a_run_whose_controller_was_killed_is_aborted_without_its_last_seconds(tmp_path: Path) -> None:
    """Seconds that not all workers had reported are not judged; whether the load had ended is said."""
    found = judged(stored(tmp_path / "on", ended_s=None))
    assert (found.verdict, found.reason) == ("ABORTED", "The controller was killed 199.5s after the load had begun.")
    assert found.steady_s == 189
    assert found.latency_ms.p95 == pytest.approx(8.0, rel=0.01)
    found = judged(stored(tmp_path / "ended", ended_s=198.0))
    assert found.reason.startswith("The controller was killed after the load had ended")


@pytest.mark.parametrize("verdict", ["PASS", None])
def test_a_thinned_run_comes_to_the_same(tmp_path: Path, verdict: str | None) -> None:
    whole = judged(stored(tmp_path / "whole", ended_s=198.0, verdict=verdict))
    thinned = judged(stored(tmp_path / "thinned", ended_s=198.0, verdict=verdict, thinned_s=180))
    assert thinned.thinned is not None
    assert msgspec.structs.replace(thinned, run_id=whole.run_id, thinned=whole.thinned) == whole


def test_a_run_whose_load_never_began_is_refused(tmp_path: Path) -> None:
    directory = stored(tmp_path / "run", ended_s=None)
    with closing(Store(directory.database)) as store:
        store.put_meta(CHECKPOINT_KEY, None)
        store.commit()
    with pytest.raises(InputError, match="was broken off before its load began"):
        judged(directory)
