"""What one controller leaves to the next, should it die in the middle of a run: the way to the fleet, and where the run stood.

The way to the fleet is in `keys.json` of the run directory, readable by its owner alone and there as long as the run can be resumed.
Where the run stands is in run.db, written with everything else that is measured.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Any, Self

import msgspec

from master.errors import InputError
from master.judge.target.thresholds import ThresholdOutcome
from master.load.arrival_plan import stages_left
from master.load.schedule import Span
from master.run.processes.local import Started
from master.run.real_nodes.roster import Roster
from master.scenario import LoadStage, OpenStage, Stage
from master.store import CONTROLLER
from worker.load.arrivals.schedule import ArrivalSchedule
from worker.wire.curve import Keys

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
LOCK_TRIES, LOCK_WAIT_S = 5, 0.04


class FleetAccess(msgspec.Struct):
    """How the fleet is reached, and which processes serve the run on this machine."""

    host: str
    port: int
    server_keys: Keys | None
    """Made for this run; None where a roster has nodes that know the controller by its own."""
    node_keys: dict[str, Keys]
    """Of the agent on the controller's own machine, and of simulated nodes."""
    separate_processes: bool = msgspec.field(name="separate")
    """Whether each simulated node has processes of its own."""
    roster: Roster | None = None
    """The real nodes; None where all are simulated."""
    started: Started = Started()
    variables: dict[str, str] = {}
    """What the locustfile's own options get their values from."""
    environment: dict[str, str] = {}
    """Environment variables that nodes get, which the scenario names: secrets, as the keys are."""
    target_password: str = ""
    """Of the target's accounts: made for this run where the target is the embedded one; empty where none is known."""

    @property
    def nodes(self) -> list[str]:
        """All nodes of the run."""
        return [name for name in self.node_keys if name != CONTROLLER] if self.roster is None else self.roster.names

    @property
    def allowlist(self) -> dict[str, str]:
        """Whom each public key belongs to that is allowed: not those who were revoked since. Raises InputError."""
        made = {pair.public: name for name, pair in self.node_keys.items()}
        if self.roster is None:
            return made
        untrusted = self.roster.untrusted()
        return made | {key: name for key, name in self.roster.allowlist.items() if name not in untrusted}

    def controller_keys(self) -> Keys:
        """The keys of the controller's port. Raises InputError when they can't be read."""
        if self.server_keys is not None:
            return self.server_keys
        assert self.roster is not None
        return self.roster.controller_keys()


def _locked(descriptor: int) -> bool:
    """Take the lock. The live page takes it for microseconds, to see whether a controller has it; that is no reason to give up."""
    for _ in range(LOCK_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOCK_WAIT_S)
        else:
            return True
    return False


class AccessFile:
    """`keys.json`, held by one controller at a time."""

    def __init__(self, descriptor: int, path: Path, access: FleetAccess) -> None:
        self.access = access
        """What stood in it when it was opened."""
        self._descriptor = descriptor
        self._path = path
        self._released = False

    @classmethod
    def create(cls, path: Path, access: FleetAccess) -> Self:
        """Write a new file, readable and writable by its owner alone."""
        held = cls(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), path, access)
        fcntl.flock(held._descriptor, fcntl.LOCK_EX)
        held.write(access)
        return held

    @classmethod
    def acquire(cls, path: Path) -> Self:
        """Take over from a controller that has died. Raises InputError when there is nothing to take over, or it still runs."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            raise InputError(
                f"{path.parent} is no run that was broken off: there is no {path.name} in it",
                hint="Only a run whose controller died can be resumed. One that ended has its report beside.",
            ) from None
        except OSError as error:
            raise InputError(f"{path} can't be opened: {error.strerror}") from None
        if not _locked(descriptor):
            os.close(descriptor)
            raise InputError(
                f"the run in {path.parent} is still on", hint="Its controller still runs; let it end."
            ) from None
        try:
            access = msgspec.json.decode(os.read(descriptor, 1 << 26), type=FleetAccess)
        except msgspec.MsgspecError as error:
            os.close(descriptor)
            raise InputError(f"{path} is not as it was written: {error}") from None
        return cls(descriptor, path, access)

    def write(self, access: FleetAccess) -> None:
        """Write it anew."""
        content = memoryview(msgspec.json.encode(access))
        os.posix_fallocate(self._descriptor, 0, len(content))  # a disk that is full is not to cost what stands here
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        while content:
            content = content[os.write(self._descriptor, content) :]
        os.ftruncate(self._descriptor, os.lseek(self._descriptor, 0, os.SEEK_CUR))

    def release(self) -> None:
        """Release the lock: another one may take the run over. Does nothing when that has been done."""
        if not self._released:
            self._released = True
            os.close(self._descriptor)

    def remove(self) -> None:
        """The run has come to its end: nobody is to take it over, and the keys are worth nothing any more."""
        self._path.unlink(missing_ok=True)
        self.release()


class Checkpoint(msgspec.Struct, kw_only=True):
    """Where a run stands, kept once a second. Offsets are seconds since it began."""

    boot: str
    """Which start of the machine `began_s` belongs to."""
    began_s: float
    """When the run began, on the monotonic clock."""
    began_wall_s: float
    """The same as Unix time, for a controller on a machine that was started anew."""
    offset_s: float
    stage: int
    kind: str
    stage_left_s: float
    steady_spans: list[Span]
    gaps: list[Span]
    users_peak: int
    nodes_peak: int
    nodes_lost: list[str]
    nodes_quarantined: list[str]
    ready_s: float | None
    unreported_workers: list[str]
    dropped: dict[str, int]
    ended_s: float | None = None
    """When the load had ended, if it had."""
    reason: str | None = None
    """Why, if not by plan."""
    broken_rule: ThresholdOutcome | None = None
    """The rule with `abort` that ended it, as it stood then."""
    arrivals_dealt: int = 0
    """In the open model: how many arrivals were dealt to workers."""
    arrivals_due: int = 0
    """How many were due by then, or by the end of the load if it had ended."""
    start_skew_s: float | None = None
    """By how much the start of the arrivals may differ between nodes and the controller."""

    def began_now_s(self, now_s: float, now_wall_s: float) -> float:
        """When the run began by this machine's monotonic clock of now, even if it was started anew since."""
        return self.began_s if self.boot == boot_id() else now_s - (now_wall_s - self.began_wall_s)

    def remaining(
        self, stages: tuple[LoadStage, ...], arrivals: ArrivalSchedule | None = None
    ) -> tuple[int, tuple[LoadStage, ...]]:
        """What is left of `stages`, and how many are over: the one it stood in, as far as it is not over, and those after it.

        No load once it had ended. `arrivals` are those of the whole run in the open model: they go on with the first that was not dealt.
        """
        if self.ended_s is not None:
            return self.stage, (Stage(users=0, spawn_rate=1.0, hold_s=0.0),)
        if arrivals is not None:
            opened = [stage for stage in stages if isinstance(stage, OpenStage)]
            return stages_left(opened, arrivals.plan_s_of(self.arrivals_dealt))
        stage = stages[self.stage]
        assert isinstance(stage, Stage)
        rest = Stage(stage.users, stage.spawn_rate, max(0.0, self.stage_left_s))
        return self.stage, (rest, *stages[self.stage + 1 :])


def boot_id() -> str:
    """A name of this machine's latest start."""
    try:
        return _BOOT_ID.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def read_checkpoint(content: Any, path: Path) -> Checkpoint:
    """What run.db has under CHECKPOINT_KEY. Raises InputError when the run had not begun."""
    try:
        return msgspec.convert(content, Checkpoint)
    except msgspec.ValidationError:
        raise InputError(
            f"the run in {path} was broken off before its load began", hint="Start it again with piswarm run."
        ) from None
