"""`piswarm`, forked from a process that has imported it: for tests of what a command says, which need its start of two seconds only once.

A command is a process of its own, with its own arguments, environment, working directory and output; what it starts is real. Only that
it imports nothing is not as for an operator. Run as a program, this file is the process that commands are forked from.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

LIMIT_S = 120.0


class ForkedCommands:
    """The process that commands are forked from, for the length of a `with` block."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.stdin.close()
        self._server.wait(20)
        self._server.stdout.close()

    def run(self, arguments: list[str], folder: Path, output: Path, variables: dict[str, str] | None = None) -> int:
        """Run `piswarm` with these arguments in a folder; its status. What it writes is in the file `output`."""
        order = {"arguments": arguments, "folder": str(folder), "output": str(output)}
        environment = {**os.environ, **(variables or {})}
        print(json.dumps(order | {"environment": environment}), file=self._server.stdin, flush=True)  # a pipe
        ready, _, _ = select.select([self._server.stdout], [], [], LIMIT_S)
        if not ready:
            self._server.kill()
            raise TimeoutError(f"{arguments} took longer than {LIMIT_S:g} s:\n{output.read_text('utf-8')}")
        return int(self._server.stdout.readline())


def serve() -> None:
    """Fork a command for each order that comes, one after the other, and say its status."""
    from gevent import monkey  # noqa: PLC0415

    # This process itself runs no event loop, and waits as any other does.
    fork, wait = monkey.get_original("os", "fork"), monkey.get_original("os", "waitpid")
    import locust  # noqa: F401, PLC0415

    import master.services.required  # noqa: F401, PLC0415
    from master import cli  # noqa: PLC0415

    for line in sys.stdin:
        pid = fork()
        if pid == 0:
            _be_command(json.loads(line), cli)
        _, status = wait(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201  # a pipe


def _be_command(order: dict[str, Any], cli: Any) -> NoReturn:
    import gevent  # noqa: PLC0415

    status: object = 70
    try:
        gevent.reinit()
        os.chdir(order["folder"])
        os.environ.clear()
        os.environ.update(order["environment"])
        nothing = os.open(os.devnull, os.O_RDONLY)
        output = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        for descriptor, target in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(descriptor, target)
        sys.argv = ["piswarm", *order["arguments"]]
        status = cli.main()
    except SystemExit as end:
        status = end.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if isinstance(status, int) else 0 if status is None else 1)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    serve()
