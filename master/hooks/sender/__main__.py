"""`python -m master.hooks.sender`: SenderOrders and then a Call a line on standard input; Delivered as one line on standard output at its end.

Each receiver has a thread and a queue of its own. When standard input ends, what waits is sent for DRAIN_S at most.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time

import msgspec

from master.hooks.orders import Call, Delivered, Receiver, SenderOrders
from master.hooks.sender.delivery import deliver
from master.hooks.sender.queue import CallQueue
from worker.streams import guard_streams

DRAIN_S = 30.0
NICENESS = 10
"""The run comes first."""
MAX_FAULTS = 5


class Line:
    """The calls to one receiver, made one after the other in a thread."""

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.sent = self.failed = 0
        self.faults: list[str] = []
        """The first few; the log has all."""
        self.until_s = float("inf")
        """Nothing is tried again after this moment."""
        self._queue = CallQueue(time.monotonic())
        self._changed = threading.Condition()
        self._ending = False
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def add(self, call: Call) -> None:
        """Send a call, if the receiver wants its event."""
        if call.event in self.receiver.events:
            with self._changed:
                self._queue.add(call, time.monotonic())
                self._changed.notify()

    def end(self, until_s: float) -> None:
        """No further calls come: what waits is sent now."""
        with self._changed:
            self._ending, self.until_s = True, until_s
            self._queue.hurry()
            self._changed.notify()

    def join(self) -> None:
        """Wait until all is sent, for the time that there is; what is not counts as failed."""
        self._thread.join(max(0.0, self.until_s - time.monotonic()))
        with self._changed:
            for count, what in (
                (len(self._queue) + self._thread.is_alive(), "not sent in time"),
                (self._queue.dropped, "dropped, since too many waited"),
            ):
                if count:
                    self.failed += count
                    self.faults.append(f"{count} {what}")

    def _work(self) -> None:
        while True:
            with self._changed:
                while (wait_s := self._queue.wait_s(time.monotonic())) != 0.0:
                    if wait_s is None and self._ending:
                        return
                    self._changed.wait(wait_s)
                call = self._queue.take()
            fault = deliver(self.receiver, call, self.until_s, self._sleep)
            if fault:
                self.failed += 1
                if len(self.faults) < MAX_FAULTS:
                    self.faults.append(f"{call.event}: {fault}")
                sys.stderr.write(f"{self.receiver.name}: {call.event}: {fault}\n")
            else:
                self.sent += 1

    def _sleep(self, wait_s: float) -> None:
        """Wait before the next try; less where the run ends meanwhile."""
        end_s = time.monotonic() + wait_s
        with self._changed:
            while not self._ending and (left_s := end_s - time.monotonic()) > 0:
                self._changed.wait(left_s)


def main() -> None:
    """Send what comes, until standard input ends and all is sent."""
    guard_streams()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    os.nice(NICENESS)
    orders = msgspec.json.decode(sys.stdin.buffer.readline(), type=SenderOrders)
    lines = [Line(receiver) for receiver in orders.receivers]
    decoder = msgspec.json.Decoder(Call)
    for text in sys.stdin.buffer:
        call = decoder.decode(text)
        for line in lines:
            line.add(call)
    until_s = time.monotonic() + DRAIN_S
    for line in lines:
        line.end(until_s)
    for line in lines:
        line.join()
    faults = [f"{line.receiver.name}: {fault}" for line in lines for fault in line.faults]
    delivered = Delivered(sum(line.sent for line in lines), sum(line.failed for line in lines), faults[:MAX_FAULTS])
    sys.stdout.buffer.write(msgspec.json.encode(delivered) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
