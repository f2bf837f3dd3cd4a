"""One SSH connection to a host: its key is always checked, every wait has an end, and what goes wrong is a HostFailure.

Commands go by Paramiko's channels directly, with no thread for each of their streams.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import paramiko

from master.deploy.failures import Cause, HostFailure
from master.deploy.ssh.route import Routes
from master.deploy.ssh.transport import HopConnections
from master.errors import InputError
from master.inventory.host import Host
from master.trust.known_hosts import KnownHosts

CONNECT_S = 10.0
_CHUNK_BYTES = 32768
"""Of an archive; the most that one SSH packet carries."""
_POLL_S = 0.3
_GRACE_S = 3.0
"""How long after its deadline a stream is cut that does not end by itself."""
_MAX_OUTPUT_BYTES = 4 << 20
"""Of what a command says on one of its streams."""
_MAX_SHOWN_CHARACTERS = 400
_FULL = ("No space left on device", "Disk quota exceeded", "Wrote only")
"""What programs say of a full disk; the last is tar's, which a disk leaves with half of a block."""
_LOCK_LOST = 75
"""The exit status of a step that found another's lock (EX_TEMPFAIL)."""
_NOT_WHOLE = 65
"""The exit status of a step that found something else than what was sent (EX_DATAERR)."""


class Output(NamedTuple):
    """What a command left."""

    status: int
    stdout: str
    stderr: str


class SshConnection:
    """A connection to `host`, from `open` to `close`. Not for use by several threads at once, but for `abort`."""

    def __init__(self, host: Host, known: KnownHosts, routes: Routes, *, connect_s: float = CONNECT_S) -> None:
        self.host = host
        self._known = known
        self._routes = routes
        self._connect_s = connect_s
        self._hops: HopConnections | None = None

    @property
    def _transport(self) -> paramiko.Transport | None:
        return None if self._hops is None else self._hops.transport

    @property
    def is_open(self) -> bool:
        """Whether it is there, as far as is known."""
        transport = self._transport
        return transport is not None and bool(transport.is_active())

    def open(self) -> None:
        """Connect, unless it is. Raises HostFailure."""
        if self.is_open:
            return
        self.close()
        try:
            route = self._routes.route_to(self.host)
        except InputError as error:
            raise HostFailure(Cause.UNREACHABLE, error.message, error.hint) from None
        self._hops = HopConnections(route, self._known, self._routes, connect_s=self._connect_s)
        try:
            self._hops.log_in()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End it."""
        if self._hops is not None:
            self._hops.close()

    def abort(self) -> None:
        """Cut it, from any thread; what waits on it fails."""
        if self._hops is not None:
            self._hops.abort()

    def run(self, command: str, *, timeout_s: float, check: bool = True) -> Output:
        """Run `command` in the host's shell, with nothing on its standard input.

        Raises HostFailure: also, unless `check` is false, when its exit status is not 0.
        """
        return self._exchange(command, None, lambda _: None, timeout_s=timeout_s, check=check)

    def stream(self, file: Path, command: str, *, timeout_s: float, progress: Callable[[int], None]) -> Output:
        """Run `command` with the content of `file` on its standard input; `progress` is called with the bytes sent so far."""
        late = threading.Event()

        def cut() -> None:
            late.set()
            self.abort()

        # What waits for room in a socket's buffer, Paramiko lets wait for ever.
        timer = threading.Timer(timeout_s + _GRACE_S, cut)
        timer.start()
        try:
            return self._exchange(command, file, progress, timeout_s=timeout_s, check=True)
        except HostFailure:
            if late.is_set():
                raise HostFailure(Cause.TIMEOUT, f"no end after {timeout_s:.0f} s") from None
            raise
        finally:
            timer.cancel()

    def follow(self, command: str, show: Callable[[str], None], should_continue: Callable[[], bool]) -> None:
        """Run `command`, and give `show` each line that it says, while `should_continue`; then its standard input ends, and it is left.

        Raises HostFailure: also when it ends by itself.
        """
        try:
            channel = self._opened().open_session(timeout=self._connect_s)
            try:
                channel.set_combine_stderr(combine=True)
                channel.settimeout(_POLL_S)
                channel.exec_command(command)
                rest = b""
                while should_continue():
                    try:
                        part = channel.recv(_CHUNK_BYTES)
                    except TimeoutError:
                        continue
                    if not part:
                        raise HostFailure(Cause.CONNECTION_LOST, "what was followed has ended")
                    *lines, rest = (rest + part).split(b"\n")
                    for line in lines:
                        show(line.decode("utf-8", "replace"))
                    rest = rest[-_CHUNK_BYTES:]
            finally:
                channel.close()
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise HostFailure(
                Cause.CONNECTION_LOST, f"the connection was lost: {error or type(error).__name__}"
            ) from None

    def _opened(self) -> paramiko.Transport:
        transport = self._transport
        if transport is None:
            raise EOFError("it is not open")
        return transport

    def _exchange(
        self, command: str, file: Path | None, progress: Callable[[int], None], *, timeout_s: float, check: bool
    ) -> Output:
        until_s = time.monotonic() + timeout_s
        try:
            channel = self._opened().open_session(timeout=timeout_s)
            try:
                channel.settimeout(timeout_s)
                channel.exec_command(command)
                if file is not None:
                    _send(channel, file, progress, until_s)
                channel.shutdown_write()
                output = _receive(channel, until_s)
            finally:
                channel.close()
        except TimeoutError:
            raise HostFailure(Cause.TIMEOUT, f"no end after {timeout_s:.0f} s") from None
        except (paramiko.SSHException, OSError, EOFError) as error:
            if isinstance(error, paramiko.ChannelException):
                raise HostFailure(Cause.COMMAND, f"the host runs no command: {error}") from None
            raise HostFailure(
                Cause.CONNECTION_LOST, f"the connection was lost: {error or type(error).__name__}"
            ) from None
        if output.status == -1:
            raise HostFailure(Cause.CONNECTION_LOST, "the connection was lost while a command ran")
        if check and output.status != 0:
            raise command_failure(output)
        return output


def command_failure(output: Output) -> HostFailure:
    """The failure that an exit status other than 0, with what the command printed, stands for. Pure."""
    said = (output.stderr.strip() or output.stdout.strip())[-_MAX_SHOWN_CHARACTERS:]
    full = [line for line in output.stderr.splitlines() if any(text in line for text in _FULL)]
    if full:
        return HostFailure(Cause.DISK, full[0][-_MAX_SHOWN_CHARACTERS:])
    if output.status == _LOCK_LOST:
        return HostFailure(Cause.LOCKED, "another deployment has taken over")
    if output.status == _NOT_WHOLE:
        return HostFailure(Cause.CORRUPTED, said)
    if "sudo:" in output.stderr:
        return HostFailure(Cause.SUDO, said)
    return HostFailure(Cause.COMMAND, said or f"a command ended with {output.status} and said nothing")


def _send(channel: paramiko.Channel, file: Path, progress: Callable[[int], None], until_s: float) -> None:
    sent = 0
    with file.open("rb") as source:
        while chunk := source.read(_CHUNK_BYTES):
            channel.settimeout(max(0.1, until_s - time.monotonic()))
            try:
                channel.sendall(chunk)
            except TimeoutError:
                raise
            except OSError:
                return  # the command has ended early; its status and words say why
            sent += len(chunk)
            progress(sent)
            if time.monotonic() > until_s:
                raise TimeoutError


def _receive(channel: paramiko.Channel, until_s: float) -> Output:
    """All that a command says, and its exit status. Raises TimeoutError after `until_s`, HostFailure for more than _MAX_OUTPUT_BYTES.

    Of what it says on its standard error, as much as fits into a channel's window (2 MiB).
    """
    read = []
    for receive in (channel.recv, channel.recv_stderr):
        parts, size = [], 0
        while True:
            channel.settimeout(max(0.1, until_s - time.monotonic()))
            part = receive(_CHUNK_BYTES)
            if not part:
                break
            parts.append(part)
            size += len(part)
            if size > _MAX_OUTPUT_BYTES:
                raise HostFailure(Cause.OUTPUT, f"a command said more than {_MAX_OUTPUT_BYTES >> 20} MiB")
            if time.monotonic() > until_s:
                raise TimeoutError
        read.append(b"".join(parts).decode("utf-8", "replace"))
    if not channel.status_event.wait(max(0.1, until_s - time.monotonic())):
        raise TimeoutError
    return Output(channel.exit_status, *read)
