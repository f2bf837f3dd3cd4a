"""Progress of a run that follows a LoadTestShape."""

from __future__ import annotations

from master.load.shape_progress import ShapeProgress
from master.scenario import Stage


def test_holds_are_steady_until_the_shape_asks_for_something_else() -> None:
    """What lies between the end of a ramp and the next thing that the shape asks for is steady, ramps and holds without users are not."""
    progress = ShapeProgress(None)
    progress.begin(10.0)
    assert progress.steady_spans(10.0) == []
    progress.ask(4, 2.0, 10.0)
    assert (progress.at(11.0).kind, progress.at(11.0).users, progress.at(30.0).users) == ("ramp", 2, 4)
    progress.hold_started(12.5)
    before = progress.revision
    progress.ask(0, 100.0, 20.0)
    assert progress.revision != before
    assert (progress.at(20.01).users, progress.at(21.0).users) == (3, 0)
    progress.hold_started(20.5)
    progress.ask(6, 100.0, 25.0)
    progress.hold_started(25.5)
    assert progress.steady_spans(30.0) == [(12.5, 20.0), (25.5, 30.0)]
    assert [stage.users for stage in progress.stages if isinstance(stage, Stage)] == [4, 0, 6]
    assert (progress.at(29.0).stage, progress.at(29.0).kind) == (2, "hold")
    progress.interrupt(26.0)
    progress.resume(28.0)
    assert progress.steady_spans(30.0) == [(12.5, 20.0), (25.5, 26.0), (28.0, 30.0)]


def test_the_run_time_goes_on_under_another_controller() -> None:
    """A run that goes on has its stages, holds and run time of before, and what is left is what it has not run."""
    progress = ShapeProgress(60.0, [Stage(4, 2.0, 0.0)], [(2.0, 20.0)], ran_s=20.0)
    progress.begin(50.0)
    assert progress.run_time_left_s(50.0) == 40.0
    assert progress.ran_s(55.0) == 25.0
    progress.ask(4, 2.0, 51.0)
    progress.hold_started(52.0)
    assert progress.at(55.0).stage == 1
    assert progress.steady_spans(60.0) == [(2.0, 20.0), (52.0, 60.0)]
    assert progress.run_time_left_s(95.0) == 0.0
