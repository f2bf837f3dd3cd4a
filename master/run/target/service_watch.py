"""Looks at the services that a scenario requires: before the load, and once a second while it is on."""

from __future__ import annotations

from collections.abc import Callable

import gevent

from master.errors import AbortError
from master.services.health.check import Questions
from master.services.health.losses import LOSSES_KEY, LOST_AFTER, LossTracker, pack_losses, unpack_losses
from master.services.required import RequiredServices
from master.store import Store

FIRST_LOOKS = 3
"""Before the load a service may need a moment: it is unhealthy when so many looks find it so."""

Look = tuple[float, dict[str, str]]
"""The second of the run, and what was unhealthy then, with the reason."""


class ServiceWatch:
    """The required services of one run; without any it does nothing."""

    def __init__(self, required: RequiredServices | None, store: Store, note: Callable[[str, str], None]) -> None:
        """`note` is called with the kind of each event (service lost, service returned), and what there is to say."""
        self._required = required
        self._store = store
        self._note = note
        self._questions: Questions | None = None
        self._tracker = LossTracker()
        self._looking: gevent.Greenlet[..., Look] | None = None
        self._last_looks: gevent.Greenlet[..., list[Look]] | None = None

    def begin(self, target: str) -> None:
        """Look before the load, with the target at this URL. Raises AbortError, which names each service that is not healthy."""
        if self._required is None:
            return
        self._questions = self._required.questions(target)
        for _ in range(FIRST_LOOKS):
            unhealthy = self._required.find_unhealthy(self._questions.ask())
            if not unhealthy:
                break
        else:
            raise AbortError(
                f"required and not healthy: {'; '.join(unhealthy.values())}",
                hint="See piswarm services check. No load was sent.",
            )
        self._tracker = LossTracker(unpack_losses(self._store.meta(LOSSES_KEY)) or ())
        self._keep()

    def poll(self, offset_s: float) -> None:
        """Note what the latest look has found, and begin one at this second of the run; who polls does not wait for it.

        All that is written is written here, where faults of the storage are known what to do about.
        """
        if self._required is None or self._questions is None:
            return
        if self._looking is not None:
            if not self._looking.ready():
                return
            self._note_look()
        self._looking = gevent.spawn(self._look, self._required, self._questions, offset_s)

    def load_ended(self, offset_s: float) -> None:
        """The load is over at this second of the run: what ends from now on is no loss. Nobody waits here.

        One that is unhealthy now is looked at until it is known whether it is lost, as it would be if the load went on.
        """
        if self._required is not None and self._questions is not None:
            self._last_looks = gevent.spawn(self._look_at_last, self._required, self._questions, offset_s)
        self._questions = None

    def end(self) -> None:
        """Note what the last looks have found."""
        if self._last_looks is None:
            return
        self._last_looks.join()
        for offset_s, unhealthy in self._last_looks.value or ():
            self._note_found(offset_s, unhealthy)
        self._last_looks = None

    def _look_at_last(self, required: RequiredServices, questions: Questions, offset_s: float) -> list[Look]:
        found: list[Look] = []
        if self._looking is not None:
            self._looking.join()
            if self._looking.successful():
                found.append(self._looking.value)
        while found and found[-1][1] and len(found) < LOST_AFTER:
            found.append(self._look(required, questions, offset_s))
        return found

    @staticmethod
    def _look(required: RequiredServices, questions: Questions, offset_s: float) -> Look:
        return offset_s, required.find_unhealthy(questions.ask())

    def _note_look(self) -> None:
        """Note what a look has found, if it has come to its end."""
        if self._looking is not None and self._looking.successful():
            self._note_found(*self._looking.value)

    def _note_found(self, offset_s: float, unhealthy: dict[str, str]) -> None:
        lost, back = self._tracker.look(offset_s, unhealthy)
        for loss in lost:
            self._note("service lost", loss.detail)
        for loss in back:
            self._note("service returned", loss.service)
        if lost or back:
            self._keep()

    def _keep(self) -> None:
        self._store.put_meta(LOSSES_KEY, pack_losses(self._tracker.losses))
