"""piswarm's own commands as child processes of the page: a run that goes on while the page is there or not, and short ones."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections import deque
from pathlib import Path

import msgspec

from master.errors import InputError
from worker.printable import printable

COMMAND = (sys.executable, "-P", "-m", "master.cli")
KEPT_LINES = 200
MAX_LINE = 2000
ANSWER_S = 60.0
ANSWERS_AT_ONCE = 2
"""Each is a process that takes a core; further ones wait."""
MAX_ASKED = 20
"""Those that are made or waited for."""
MAX_ANSWER_BYTES = 16 << 20


class JobState(msgspec.Struct):
    """The run that this page has started last."""

    run: str
    on: bool
    stopping: bool
    exit_status: int | None
    """Null while it is on."""
    output: list[str]
    """The last lines that it has printed."""


class Job:
    """One run that this page has started."""

    def __init__(self, run: str, process: asyncio.subprocess.Process) -> None:
        self.run = run
        self._process = process
        self._output: deque[str] = deque(maxlen=KEPT_LINES)
        self._stopping = False
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, run: str, words: list[str]) -> Job:
        """Start `piswarm WORDS`. It has a session of its own: the end of the page is not its end."""
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            limit=1 << 20,
        )
        return cls(run, process)

    @property
    def on(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

    def state(self) -> JobState:
        """How it is now."""
        return JobState(self.run, self.on, self._stopping and self.on, self._process.returncode, list(self._output))

    def stop(self) -> None:
        """Have it end in order, as Ctrl-C does; a second time at once."""
        self._stopping = True
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)

    async def ended(self) -> None:
        """Return once it has ended and all that it printed is read."""
        await self._reading
        await self._process.wait()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while True:
            try:
                line = await self._process.stdout.readline()
            except ValueError:  # a line without end
                continue
            if not line:
                return
            self._output.append(printable(line.decode(errors="replace").rstrip("\n"))[:MAX_LINE])


class Answers:
    """What short commands answer, few of them at once."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(ANSWERS_AT_ONCE)
        self._asked = 0

    async def ask(self, words: list[str]) -> tuple[int, bytes, str]:
        """Run a short command: its exit status, what it answers, and what it complains of. Raises InputError where that takes too long."""
        if self._asked >= MAX_ASKED:
            raise InputError("too much is asked for at once", hint="Ask again in a minute.")
        self._asked += 1
        try:
            async with self._places:
                return await _answer_of(words)
        finally:
            self._asked -= 1


async def _answer_of(words: list[str]) -> tuple[int, bytes, str]:
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(ANSWER_S):
            answer, complaint = await process.communicate()
    except TimeoutError:
        raise InputError(f"the answer took longer than {ANSWER_S:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if len(answer) > MAX_ANSWER_BYTES:
        raise InputError("the answer is too long for a page", hint="Ask for it on the command line.")
    lines = [printable(line) for line in complaint.decode(errors="replace").splitlines()[-KEPT_LINES:]]
    return process.returncode or 0, answer, "\n".join(lines)


def scenario_names(folder: Path) -> list[str]:
    """The scenario files of a folder."""
    try:
        return sorted(path.name for path in folder.iterdir() if path.suffix in {".yml", ".yaml"} and path.is_file())
    except OSError:
        return []
