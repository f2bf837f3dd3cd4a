"""Looks at the services that a scenario requires: before the load, and once a second while it is on."""

from __future__ import annotations

from collections.abc import Callable

import gevent

from master.errors import AbortError
from master.services.check import Questions
from master.services.losses import LOSSES_KEY, LossTracker, pack_losses, unpack_losses
from master.services.required import RequiredServices
from master.store import Store

FIRST_LOOKS = 3
"""Before the load a service may need a moment: it is unhealthy when so many looks find it so."""


class ServiceWatch:
    """The required services of one run; without any it does nothing."""

    def __init__(self, required: RequiredServices | None, store: Store, note: Callable[[str, str], None]) -> None:
        """`note` is called with the kind of each event (service lost, service returned), and what there is to say."""
        self._required = required
        self._store = store
        self._note = note
        self._questions: Questions | None = None
        self._tracker = LossTracker()
        self._looking: gevent.Greenlet[..., None] | None = None

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

    def end(self) -> None:
        """The load is over, and what ends now is no loss."""
        self._questions = None
        if self._looking is not None:
            self._looking.kill()  # one that has come to its end keeps what it has found
            self._note_look()

    @staticmethod
    def _look(required: RequiredServices, questions: Questions, offset_s: float) -> tuple[float, dict[str, str]]:
        return offset_s, required.find_unhealthy(questions.ask())

    def _note_look(self) -> None:
        """Note what a look has found, if it has come to its end."""
        if self._looking is None or not self._looking.successful():
            return
        lost, back = self._tracker.look(*self._looking.value)
        for loss in lost:
            self._note("service lost", loss.detail)
        for loss in back:
            self._note("service returned", loss.service)
        if lost or back:
            self._keep()

    def _keep(self) -> None:
        self._store.put_meta(LOSSES_KEY, pack_losses(self._tracker.losses))
