"""A host that is connected to: its scripts, its lock, and the time that is left for it."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from master.deploy.failures import Cause, HostFailure
from master.deploy.host import lock_owner, scripts
from master.deploy.host.facts import HostFacts, facts_command, parse_facts, parse_lock, parse_unit
from master.deploy.host.service import Unit, Verb, layout_of, service_of
from master.deploy.ssh.connection import Output, SshConnection

_SHORT_S = 30.0
"""For what a healthy Pi does in far less than a second, under load or on a dying SD card."""
_LOCK_S = 75.0
"""For what a deployment before has left to come to its end (scripts/lock.sh)."""
_LOCKED = 73
_AFTER_S = 120.0
"""How much longer than its host's deadline a lock holds: for rolling back."""


class HostSession:
    """What the steps of a deployment do, on one host. `deadline_s` is for all of it, from now on."""

    def __init__(self, connection: SshConnection, deadline_s: float) -> None:
        self.host = connection.host
        self._connection = connection
        self._layout = layout_of(self.host)
        self._service = service_of(self.host)
        self._token = secrets.token_hex(8)  # no secret, but nobody else's
        self._deadline_s = deadline_s
        self._until_s = time.monotonic() + deadline_s

    def left_s(self, max_s: float = _SHORT_S) -> float:
        """How long the next step may take. Raises HostFailure when the host's time is up."""
        left_s = self._until_s - time.monotonic()
        if left_s <= 0:
            raise HostFailure(Cause.TIMEOUT, f"it was not done within the {self._deadline_s:.0f} s of a host")
        return min(max_s, left_s)

    def extend(self, more_s: float) -> None:
        """Give it `more_s` from now on at least."""
        self._until_s = max(self._until_s, time.monotonic() + more_s)

    def facts(self) -> HostFacts:
        """How the host is. Raises HostFailure."""
        output = self._connection.run(facts_command(self._layout, self._service), timeout_s=self.left_s())
        return parse_facts(output.stdout)

    def unit(self) -> Unit:
        """How its agent's unit is. Raises HostFailure."""
        return parse_unit(self.script("unit", self._service.show()).stdout)

    def script(self, name: str, *arguments: str, timeout_s: float = _SHORT_S) -> Output:
        """Run one of the scripts. Raises HostFailure."""
        command = scripts.command(name, self._layout, self._token, *arguments)
        return self._connection.run(command, timeout_s=self.left_s(timeout_s))

    def send(
        self, archive: Path, release: str, base: str, progress: Callable[[int], None], *, timeout_s: float
    ) -> None:
        """Stream `archive` into what is to be `release`, with what it lacks from the release `base`. Raises HostFailure."""
        command = scripts.command("unpack", self._layout, self._token, release, base)
        self._connection.stream(archive, command, timeout_s=self.left_s(timeout_s), progress=progress)

    def control(self, verb: Verb, release: str = "", *, timeout_s: float = 60.0) -> None:
        """Start, stop or restart the agent, with `release`, which is noted. Raises HostFailure."""
        self.script("control", self._service.control(verb), release, timeout_s=timeout_s)

    def logs(self, lines: int) -> str:
        """What the agent said last. Raises HostFailure."""
        return self._connection.run(self._service.logs(lines), timeout_s=self.left_s()).stdout

    def unprovision(self) -> str:
        """Remove what provisioning installed, as far as the login user may; what is left of it, in words. Raises HostFailure."""
        said = self.script("unprovision", timeout_s=120.0).stdout
        return next((line.removeprefix("left=") for line in said.splitlines() if line.startswith("left=")), "").strip()

    def follow(self, lines: int, show: Callable[[str], None], should_continue: Callable[[], bool]) -> None:
        """Give `show` what the agent said last and says from now on, line by line, while `should_continue`. Raises HostFailure."""
        # When nobody listens any more, standard input ends, and with it what would else wait for the next line.
        command = (
            "exec 3<&0; { cat <&3; kill $$; } >/dev/null 2>&1 & exec 3<&-; "
            f"exec {self._service.logs(lines, follow=True)} </dev/null"
        )
        self._connection.follow(command, show, should_continue)

    def _acquire_lock(self, holder: str, since: str, valid_s: str, over: str) -> Output:
        words = holder, since, valid_s, lock_owner.process(), over
        command = scripts.command("lock", self._layout, self._token, *words)
        return self._connection.run(command, timeout_s=self.left_s(_LOCK_S), check=False)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only one who changes the host. Raises HostFailure, with who else is."""
        holder = f"{getpass.getuser()} at {socket.gethostname()}, process {os.getpid()}"
        since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        valid_s = str(int(self._until_s - time.monotonic() + _AFTER_S))
        output = self._acquire_lock(holder, since, valid_s, "none")
        if output.status == _LOCKED:
            held = parse_lock(output.stdout)
            if not lock_owner.is_over(held.by):
                raise HostFailure(Cause.LOCKED, held.text)
            # A controller that was killed, or whose connection was cut, could not give it back.
            output = self._acquire_lock(holder, since, valid_s, held.token)
        if output.status == _LOCKED:
            raise HostFailure(Cause.LOCKED, parse_lock(output.stdout).text)
        if output.status != 0:
            raise HostFailure(Cause.COMMAND, f"it can't be locked: {output.stderr.strip()[-200:]}")
        try:
            yield
        finally:
            try:
                self.extend(_SHORT_S)
                self.script("unlock")
            except HostFailure:
                pass  # what was seen before matters more; the lock runs out, and says whose it was
