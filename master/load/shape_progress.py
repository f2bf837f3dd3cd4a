"""Progress of a run whose users a LoadTestShape asks for, as it goes: there is no plan. No clock; offsets are parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence

from master.load.schedule import LoadSchedule, Position, Progress, Span
from master.scenario.load_stages import LoadStage, Stage


class ShapeProgress(Progress):
    """A stage for each different thing that the shape asks for: a ramp to so many users, then a hold until it asks for something else.

    `run_time_s` is the longest that the whole may take; None: as long as the shape asks for users.
    """

    def __init__(
        self,
        run_time_s: float | None,
        stages_before: Sequence[Stage] = (),
        steady_before: Sequence[Span] = (),
        ran_s: float = 0.0,
    ) -> None:
        """`stages_before` are those under another controller, with the holds `steady_before`; they took `ran_s` of the run time."""
        super().__init__(LoadSchedule([Stage(0, 1.0, 0.0)]), len(stages_before), steady_before)
        self._run_time_s, self._ran_s = run_time_s, ran_s
        self._asked: list[Stage] = [*stages_before]
        self._asked_s = 0.0
        self._from_users = 0
        self._held_s: float | None = None
        self._holds: list[Span] = []

    @property
    def stages(self) -> tuple[LoadStage, ...]:
        """What the shape has asked for so far; of no length."""
        return tuple(self._asked)

    def hold_of(self, stage: int) -> float:
        """Nobody knows how long a hold is to be."""
        del stage
        return 0.0

    @property
    def revision(self) -> tuple[int, int, float]:
        """Changes whenever `steady_spans` may."""
        _, interruptions, latest_s = super().revision
        return 2 * len(self._asked) + (self._held_s is not None), interruptions, latest_s

    def run_time_left_s(self, offset_s: float) -> float | None:
        """What is left of the run time; None where there is no limit."""
        if self._run_time_s is None:
            return None
        return max(0.0, self._run_time_s - self._ran_s - max(0.0, offset_s - self._start_s))

    def ran_s(self, offset_s: float) -> float:
        """How long the shape has run, also under other controllers."""
        return self._ran_s + max(0.0, offset_s - self._start_s)

    def ask(self, users: int, spawn_rate: float, offset_s: float) -> None:
        """The shape asks for something else: a hold ends at `offset_s`, and a ramp begins."""
        if self._held_s is not None and self._asked[-1].users:
            self._holds.append((self._held_s, offset_s))
        self._from_users = self._asked[-1].users if self._held_s is not None else self._from_users
        self._held_s, self._asked_s = None, offset_s
        self._asked.append(Stage(users, spawn_rate, 0.0))

    def hold_started(self, offset_s: float) -> None:
        """All users run that the shape has asked for."""
        self._held_s = offset_s

    def at(self, offset_s: float) -> Position:
        """Position of the run."""
        left_s = self.run_time_left_s(offset_s) or 0.0
        if not self._asked:
            return Position(0, "ramp", 0, 0.0, left_s)
        stage, number = self._asked[-1], len(self._asked) - 1
        if self._held_s is not None:
            return Position(number, "hold", stage.users, 0.0, left_s)
        done = int(max(0.0, offset_s - self._asked_s) * stage.spawn_rate)
        up = stage.users >= self._from_users
        users = min(self._from_users + done, stage.users) if up else max(self._from_users - done, stage.users)
        return Position(number, "ramp", users, 0.0, left_s)

    def steady_spans(self, until_s: float) -> list[Span]:
        """The holds with users so far, cut off at `until_s`, without interruptions."""
        spans = list(self._holds)
        if self._held_s is not None and self._asked[-1].users:
            spans.append((self._held_s, math.inf))
        return [*self._steady_before, *self._without_interruptions(spans, until_s)]
