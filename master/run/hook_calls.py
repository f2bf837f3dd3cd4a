"""The run's end of its hooks: what happens is handed to the sender, which is never waited for while the run is on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec.structs import replace

from master.formatting import counted
from master.hooks.orders import MODULE, Call, Delivered, Receiver, SenderOrders
from master.judge.result import Result
from master.run.directory import RunDirectory
from master.run.processes.child_process import Child

OUT_OF_SERVICE = ("lost", "gone", "quarantined")
"""Kinds of events by which a node leaves the run."""
MAX_TEXT = 4000
MAX_UNWRITTEN_BYTES = 1 << 16
END_S = 5.0
"""When the run is over, so long is waited for the last calls; the sender goes on a little longer by itself."""


class HookCalls:
    """The calls of one run."""

    def __init__(self, receivers: Sequence[Receiver], scenario: str, target: str, directory: RunDirectory) -> None:
        """Start the sender."""
        self.dropped = 0
        """Calls that the sender did not take, since it could not follow."""
        place = str(directory.path.absolute())
        self._about = Call("", directory.path.name, scenario, target, at="", text="", directory=place)
        self._log: Path = directory.logs / "hooks.log"
        orders = SenderOrders(list(receivers))
        self._sender = Child("hooks", MODULE, log=self._log, orders=orders, pipe_stdout=True)
        self._pipe = _LinePipe(self._sender.stdin)

    def start(self, users: int, nodes: int) -> None:
        """The load begins."""
        self._call("start", f"the load begins: {counted(users, 'user')} on {counted(nodes, 'node')}")

    def event(self, offset_s: float, kind: str, node: str | None, detail: str) -> None:
        """Something happened in the run."""
        if kind in OUT_OF_SERVICE and node is not None:
            self._call("lost", f"{node} is {kind}: {detail}", offset_s=offset_s, nodes=[node], nodes_total=1)

    def verdict(self, result: Result) -> None:
        """The run is over."""
        facts = {"verdict": result.verdict, "reason": result.reason, "offset_s": result.duration_s}
        text = f"{result.verdict}: {result.reason}"
        self._call("verdict", text, **facts)
        if result.verdict == "ABORTED":
            self._call("abort", text, **facts)
        if result.soak is not None and result.soak.verdict == "drift":
            self._call("drift", f"drift: {result.soak.reason}", **facts)

    def end(self) -> list[str]:
        """No further calls come: wait a little for the last. What went wrong with them, for the operator."""
        self._pipe.flush()
        self._sender.ask_to_end()
        if not self._sender.wait(END_S):
            return [f"hooks: not all calls are made yet; what becomes of them is in {self._log}"]
        try:
            delivered = msgspec.json.decode(self._sender.read_line(), type=Delivered)
        except msgspec.MsgspecError:
            return [f"hooks: their process failed: {self._sender.describe_end()}"]
        faults = list(delivered.faults) + ([f"{self.dropped} dropped"] if self.dropped else [])
        further = max(0, delivered.failed - len(delivered.faults))
        more = f" and {further} more" if further else ""
        return [f"hooks: {'; '.join(faults)}{more}; see {self._log}"] if faults else []

    def close(self) -> None:
        """Leave the sender to itself: it ends when all is sent, or after half a minute."""
        self._sender.leave()

    def _call(self, event: str, text: str, **facts: object) -> None:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        call = replace(self._about, event=event, at=at, text=f"{self._about.scenario}: {text}"[:MAX_TEXT], **facts)
        if not self._pipe.write(msgspec.json.encode(call)):
            self.dropped += 1


class _LinePipe:
    """Lines into a pipe, without ever waiting for its reader while the run is on."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._unwritten = b""
        os.set_blocking(descriptor, False)

    def write(self, line: bytes) -> bool:
        """Write a line, or what there is room for, and the rest before the next one; False where there was no room at all."""
        if len(self._unwritten) > MAX_UNWRITTEN_BYTES:
            self._write_on()
            return False
        self._unwritten += line + b"\n"
        self._write_on()
        return True

    def flush(self) -> None:
        """Write the rest; the reader does nothing but read."""
        os.set_blocking(self._descriptor, True)
        self._write_on()

    def _write_on(self) -> None:
        try:
            while self._unwritten:
                self._unwritten = self._unwritten[os.write(self._descriptor, self._unwritten) :]
        except BlockingIOError:
            pass
        except OSError:  # the sender has ended, which its own end tells of
            self._unwritten = b""
