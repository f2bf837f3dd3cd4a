"""Words on what a command is doing, where that takes a while."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status
from rich.text import Text

PATIENCE_S = 2.0
"""So long nothing is said: most commands are over by then."""


class Progress:
    """Shows on standard error which step is under way, from PATIENCE_S after the start on: on a terminal with something that moves."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = Console(stderr=True) if console is None else console
        self._text = ""
        self._status: Status | None = None
        self._late = False
        self._lock = threading.Lock()
        self._timer = threading.Timer(PATIENCE_S, self.show)
        self._timer.daemon = True

    def step(self, text: str) -> None:
        """The next step has begun."""
        with self._lock:
            self._text = text
            if self._late:
                self._say()

    def show(self) -> None:
        """The command takes a while: from here on steps are shown."""
        with self._lock:
            self._late = True
            if self._text:
                self._say()

    def _say(self) -> None:
        if not self._console.is_terminal:
            self._console.print(f"{self._text} …", markup=False, highlight=False, soft_wrap=True)
        elif self._status is None:
            self._status = self._console.status(Text(self._text))
            self._status.start()
        else:
            self._status.update(Text(self._text))

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._text, self._late = "", False
            if self._status is not None:
                self._status.stop()
