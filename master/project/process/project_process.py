"""The controller's end of the project's process: it is started, asked what is in the project, and ended."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import gevent
from gevent import socket

from master.errors import InputError
from master.project.checks.finding import MEND
from master.project.own_places import describe_place, is_operators
from master.project.process.channel import Channel, ChannelError
from master.project.process.command_line import CommandOrders
from master.project.process.facts import ProjectFacts
from master.project.process.hang_watch import STACK_SIGNAL
from master.project.process.messages import Importing, Inspected, ProcessOrders, Refused, decode_from_process
from master.project.process.waiting_process import WaitingProcess
from master.scenario import LocustProject
from worker.wire.work import ArgumentValue

IMPORT_LIMIT_S = 60.0
"""An import that takes longer is given up. Packages that load a model, or read a large file, take some seconds."""
SILENT_S = 5.0
"""So long beyond its limit the process is asked for its stack, when it does not say by itself where it hangs."""
START_LIMIT_S = 60.0
"""A process that has not begun to import by then is given up: on a busy machine its own start takes some seconds."""
STACK_LIMIT_S = 10.0
"""So long its stack is waited for."""
POLL_S = 0.1
MAX_OUTPUT_BYTES = 64 << 20
"""Output of an import beyond which it is given up."""
_FRAME = re.compile(r'^  File "(.+)", line (\d+) in (.+)\n', re.MULTILINE)
_TAIL_BYTES = 20_000


@contextlib.contextmanager
def _noted_interrupts() -> Iterator[list[int]]:
    """Within the block Ctrl-C is noted in the list: raised in gevent's hub, it would be printed there."""
    noted: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: noted.append(number))
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)


class ProjectProcess:
    """One process with one project in it. A context manager, which ends it."""

    def __init__(
        self,
        project: LocustProject,
        *,
        real_nodes: bool,
        import_limit_s: float = IMPORT_LIMIT_S,
        arguments: Mapping[str, ArgumentValue] = MappingProxyType({}),
        environment: Sequence[str] = (),
        command: CommandOrders | None = None,
        waiting: WaitingProcess | None = None,
    ) -> None:
        """Start it, or have the one that is `waiting`; `real_nodes` are those that the project is to be checked for."""
        self._locustfile = project.locustfiles[0]
        self._import_limit_s = import_limit_s
        waiting = waiting or WaitingProcess()
        waiting.hand_over()
        self.child = waiting.child
        self.log = waiting.log
        """Its output."""
        self._log_stays = False
        self.child.send_orders(
            ProcessOrders(
                waiting.descriptor,
                str(project.root),
                list(map(str, project.locustfiles)),
                project.whole,
                real_nodes,
                import_limit_s,
                dict(arguments),
                list(environment),
                command,
            )
        )
        ours = socket.socket(fileno=waiting.socket.detach())
        self.channel: Channel[Importing | Inspected | Refused] = Channel(ours, decode_from_process)

    def inspect(self) -> ProjectFacts:
        """What is in the project. Raises InputError when it can't be imported, whatever it does instead."""
        with _noted_interrupts() as interrupts:
            answer = self._await_import(interrupts)
        if isinstance(answer, Inspected):
            return answer.facts
        if answer is not None:
            raise InputError(answer.message, hint=answer.hint)
        self.child.wait(SILENT_S)
        raise self._refusal(f"its import has ended the process: {self.child.describe_end()}")

    def _await_import(self, interrupts: list[int]) -> Inspected | Refused | None:
        said = gevent.spawn(self._receive)
        deadline_s, importing = time.monotonic() + START_LIMIT_S, False
        while True:
            said.join(POLL_S)
            if said.ready():
                answer: Importing | Inspected | Refused | None = said.get()
                if not isinstance(answer, Importing):
                    return answer
                if importing:
                    return None  # it says what it must not
                deadline_s, importing = time.monotonic() + self._import_limit_s + SILENT_S, True
                said = gevent.spawn(self._receive)
            if interrupts:
                raise KeyboardInterrupt
            if self.log.stat().st_size > MAX_OUTPUT_BYTES:
                raise self._refusal(f"its import has written more than {MAX_OUTPUT_BYTES >> 20} MiB of output")
            if time.monotonic() > deadline_s:
                if not importing:
                    raise self._refusal(f"the process that imports it has not started within {START_LIMIT_S:g} s")
                raise self._refusal(f"its import hangs: after {self._import_limit_s:g} s it is still{self.place()}")

    def _receive(self) -> Importing | Inspected | Refused | None:
        """What the process says first; None when it has ended, or says what it must not."""
        try:
            return self.channel.receive()
        except (EOFError, ChannelError):
            return None

    def _refusal(self, message: str) -> InputError:
        return InputError(message, file=self._locustfile, hint=MEND)

    def place(self) -> str:
        """Where the process is now, by faulthandler, which writes it to the log."""
        size = self.log.stat().st_size  # before it is asked: on a core of its own it answers at once
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.child.record.pid, STACK_SIGNAL)
        deadline_s = time.monotonic() + STACK_LIMIT_S
        while time.monotonic() < deadline_s and not self.child.ended():
            gevent.sleep(POLL_S)
            with self.log.open("rb") as file:
                file.seek(size)
                text = file.read(_TAIL_BYTES).decode(errors="replace")
            for name, line, function in _FRAME.findall(text):
                if is_operators(name):
                    return f" at {describe_place(name, int(line), function)}"
        return ""

    def describe_end(self) -> str:
        """How the process has ended."""
        self.child.wait(SILENT_S)
        return self.child.describe_end()

    def move_log(self, log: Path) -> None:
        """The process has its output in another file from now on, which stays."""
        self.log.unlink(missing_ok=True)
        self.log = self.child.log = log
        self._log_stays = True

    def close(self) -> None:
        """End the process, at once."""
        with contextlib.suppress(OSError):
            self.channel.close()
        self.child.kill()
        self.child.wait(SILENT_S)
        self.child.close()
        if not self._log_stays:
            self.log.unlink(missing_ok=True)
