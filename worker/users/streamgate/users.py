"""The user classes of StreamGate, by the names that a scenario has for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Any, ClassVar, Protocol

from worker.users.streamgate.base import StreamGateClient
from worker.users.streamgate.hot_reads import HotReads
from worker.users.streamgate.library import Library
from worker.users.streamgate.playback import Playback
from worker.users.streamgate.sign_ins import SignIns
from worker.users.streamgate.uploads import Uploads

__all__ = ["CacheUser", "MetadataUser", "StreamAuthUser", "StreamGateUser", "StreamUser", "UploadUser"]


class _Activity(Protocol):
    def step(self) -> None: ...


class _ActiveUser(StreamGateClient):
    """A user that does what its `activities` are, each by its share of the tasks."""

    abstract = True
    activities: ClassVar[Mapping[Callable[[StreamGateClient], _Activity], int]]

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._steps = [activity(self).step for activity in self.activities]
        self._sums = list(accumulate(self.activities.values()))

    def work(self) -> None:
        """The next request of one of its activities."""
        (step,) = self._steps if len(self._steps) == 1 else self.random.choices(self._steps, cum_weights=self._sums)
        step()


class UploadUser(_ActiveUser):
    """Uploads files in one piece and in chunks, loses connections and resumes, and compares what it reads back."""

    activities: ClassVar = {Uploads: 1}


class StreamUser(_ActiveUser):
    """Watches media: playlists, ranges of 16 KiB, and whole segments now and then."""

    activities: ClassVar = {Playback: 1}


class MetadataUser(_ActiveUser):
    """Searches and reads media, and changes some of its own."""

    activities: ClassVar = {Library: 1}


class StreamAuthUser(_ActiveUser):
    """Shows its token, has it refreshed, signs in and out."""

    activities: ClassVar = {SignIns: 1}


class CacheUser(_ActiveUser):
    """Reads what everybody reads, twenty times a second."""

    wait_s = (0.025, 0.075)
    activities: ClassVar = {HotReads: 1}


class StreamGateUser(_ActiveUser):
    """Does all of these: mostly reads of what is popular, and some of everything else."""

    activities: ClassVar = {HotReads: 70, Playback: 20, Library: 6, Uploads: 3, SignIns: 1}
