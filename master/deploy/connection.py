"""One SSH connection to a host: its key is always checked, every wait has an end, and what goes wrong is a HostFailure.

Fabric reads ~/.ssh/config and connects; commands go by Paramiko's channels directly, with no thread for each of their streams.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import fabric
import paramiko

from master.deploy.failures import Cause, HostFailure
from master.deploy.host import Host
from master.deploy.known_hosts import KnownHosts, place

CONNECT_S = 10.0
_CHUNK_BYTES = 32768
"""Of an archive; the most that one SSH packet carries."""
_LOOK_S = 0.3
_UNHEARD_S = 30.0
"""So long what was sent may stay without an answer from the host's network before the connection counts as lost."""
_GRACE_S = 3.0
"""How long after its deadline a stream is cut that does not end by itself."""
_MOST_OUTPUT = 4 << 20
_MOST_SHOWN = 400
_FULL = ("No space left on device", "Disk quota exceeded", "Wrote only")
"""What programs say of a full disk; the last is tar's, which a disk leaves with half of a block."""
_LOCK_LOST = 75
"""The exit status of a step that found another's lock (EX_TEMPFAIL)."""
_NOT_WHOLE = 65
"""The exit status of a step that found something else than what was sent (EX_DATAERR)."""

logging.getLogger("paramiko").addHandler(logging.NullHandler())  # what it would tell is in the failures


class Output(NamedTuple):
    """What a command left."""

    status: int
    stdout: str
    stderr: str


class Connection:
    """A connection to `host`, from `open` to `close`. Not for use by several threads at once, but for `abort`."""

    def __init__(self, host: Host, known: KnownHosts, *, config: fabric.Config, connect_s: float = CONNECT_S) -> None:
        self.host = host
        self._known = known
        self._connect_s = connect_s
        # With a key of its own in the inventory no other is offered: six wrong ones and a server hangs up.
        own = host.key_file is not None
        kwargs: dict[str, Any] = {
            "banner_timeout": connect_s,
            "auth_timeout": connect_s,
            "channel_timeout": connect_s,
            "transport_factory": _transport,
            "allow_agent": not own,
            "look_for_keys": not own,
        }
        if own:
            kwargs["key_filename"] = [str(host.key_file)]
        self._fabric = fabric.Connection(
            host.address,
            user=host.user,
            port=host.port,
            config=config,
            forward_agent=False,
            connect_timeout=connect_s,
            connect_kwargs=kwargs,
        )

    @property
    def is_open(self) -> bool:
        """Whether it is there, as far as is known."""
        transport = self._fabric.transport
        return transport is not None and bool(transport.is_active())

    def open(self) -> None:
        """Connect, unless it is. Raises HostFailure."""
        if self.is_open:
            return
        client = self._fabric.client
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        key = self._known.key(self.host.address, self.host.port)
        if key is None:
            raise HostFailure(Cause.HOST_KEY, f"the key of {self.host.address} is not known yet", _enroll(self.host))
        # By the names that the connection will use, which ~/.ssh/config may have changed.
        name = place(self._fabric.host, self._fabric.port)
        client.get_host_keys().add(name, key.kind, paramiko.PKey.from_type_string(key.kind, key.blob))
        try:
            self._fabric.open()
        except BaseException as error:
            self._fabric.close()
            failure = _why_not_connected(error, self.host)
            if failure is None:
                raise
            raise failure from None
        if hasattr(
            socket, "TCP_USER_TIMEOUT"
        ):  # on Linux; else it takes a quarter of an hour until a link that is cut is noticed
            self._fabric.transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(_UNHEARD_S * 1000))

    def close(self) -> None:
        """End it."""
        self._fabric.close()

    def abort(self) -> None:
        """Cut it, from any thread; what waits on it fails."""
        transport = self._fabric.transport
        if transport is not None:
            transport.close()

    def run(self, command: str, *, timeout_s: float, check: bool = True) -> Output:
        """Run `command` in the host's shell, with nothing on its standard input.

        Raises HostFailure: also, unless `check` is false, when its exit status is not 0.
        """
        return self._exchange(command, None, lambda _: None, timeout_s=timeout_s, check=check)

    def stream(self, file: Path, command: str, *, timeout_s: float, progress: Callable[[int], None]) -> Output:
        """Run `command` with the content of `file` on its standard input; `progress` is told how many bytes have gone."""
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

    def follow(self, command: str, show: Callable[[str], None], go_on: Callable[[], bool]) -> None:
        """Run `command`, and give `show` each line that it says, while `go_on`; then its standard input ends, and it is left.

        Raises HostFailure: also when it ends by itself.
        """
        try:
            channel = self._fabric.transport.open_session(timeout=self._connect_s)
            try:
                channel.set_combine_stderr(combine=True)
                channel.settimeout(_LOOK_S)
                channel.exec_command(command)
                rest = b""
                while go_on():
                    try:
                        part = channel.recv(_CHUNK_BYTES)
                    except TimeoutError:
                        continue
                    if not part:
                        raise HostFailure(Cause.CUT, "what was followed has ended")
                    *lines, rest = (rest + part).split(b"\n")
                    for line in lines:
                        show(line.decode("utf-8", "replace"))
                    rest = rest[-_CHUNK_BYTES:]
            finally:
                channel.close()
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise HostFailure(Cause.CUT, f"the connection was lost: {error or type(error).__name__}") from None

    def _exchange(
        self, command: str, file: Path | None, progress: Callable[[int], None], *, timeout_s: float, check: bool
    ) -> Output:
        until_s = time.monotonic() + timeout_s
        transport = self._fabric.transport
        try:
            channel = transport.open_session(timeout=timeout_s)
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
            raise HostFailure(Cause.CUT, f"the connection was lost: {error or type(error).__name__}") from None
        if output.status == -1:
            raise HostFailure(Cause.CUT, "the connection was lost while a command ran")
        if check and output.status != 0:
            raise failed(output)
        return output


def failed(output: Output) -> HostFailure:
    """What a command that did not end with 0 means. Pure."""
    said = (output.stderr.strip() or output.stdout.strip())[-_MOST_SHOWN:]
    full = [line for line in output.stderr.splitlines() if any(text in line for text in _FULL)]
    if full:
        return HostFailure(Cause.DISK, full[0][-_MOST_SHOWN:])
    if output.status == _LOCK_LOST:
        return HostFailure(Cause.LOCKED, "another deployment has taken over")
    if output.status == _NOT_WHOLE:
        return HostFailure(Cause.DAMAGED, said)
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
    """All that a command says. Of what it says on its standard error, as much as fits into a channel's window (2 MiB)."""
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
            if size > _MOST_OUTPUT or time.monotonic() > until_s:
                raise TimeoutError
        read.append(b"".join(parts).decode("utf-8", "replace"))
    if not channel.status_event.wait(max(0.1, until_s - time.monotonic())):
        raise TimeoutError
    return Output(channel.exit_status, *read)


def _transport(*arguments: Any, **options: Any) -> paramiko.Transport:
    """One that prefers a cipher which authenticates by itself: half of the work of a cipher and a MAC, at both ends."""
    transport = paramiko.Transport(*arguments, **options)
    security = transport.get_security_options()
    security.ciphers = sorted(security.ciphers, key=lambda name: "-gcm@" not in name)
    return transport


def _enroll(host: Host) -> str:
    return f"look at its fingerprint, and enroll it: fab enroll --limit {host.name}"


def _why_not_connected(error: BaseException, host: Host) -> HostFailure | None:  # noqa: PLR0911  # one for each cause
    """The failure that `error` means; None for what is no failure of a host."""
    match error:
        case paramiko.BadHostKeyException():
            text = f"{host.address} shows another key than the one enrolled: {error.key.fingerprint}"
            hint = f"find out why before anything else; if it was set up anew: fab revoke {host.name}, then fab enroll"
            return HostFailure(Cause.HOST_KEY, text, hint)
        case paramiko.PasswordRequiredException():
            text = f"the key {host.key_file or ''} needs a passphrase".replace("  ", " ")
            return HostFailure(Cause.AUTH, text, "add it to your SSH agent and leave it out of the inventory")
        case paramiko.AuthenticationException():
            return HostFailure(Cause.AUTH, f"{host.user or 'you'} may not log in at {host.address}: {error}")
        case TimeoutError():
            return HostFailure(Cause.UNREACHABLE, f"{host.address} port {host.port} did not answer in time")
        case paramiko.ssh_exception.NoValidConnectionsError():
            first = next(iter(error.errors.values()))
            return HostFailure(Cause.UNREACHABLE, f"{host.address} port {host.port}: {first.strerror or first}")
        case socket.gaierror():
            hint = "correct ansible_host in the inventory, or the name server"
            return HostFailure(Cause.UNREACHABLE, f"nobody knows the name {host.address}", hint)
        case paramiko.SSHException() if "not found in known_hosts" in str(error):
            return HostFailure(Cause.HOST_KEY, str(error), _enroll(host))
        case paramiko.SSHException() if "encountered" in str(error) or "not a valid" in str(error):
            return HostFailure(Cause.AUTH, str(error))
        case FileNotFoundError() | PermissionError():
            return HostFailure(Cause.AUTH, f"the key {error.filename} can't be read: {error.strerror}")
        case paramiko.SSHException() | OSError() | EOFError():
            return HostFailure(Cause.UNREACHABLE, f"{host.address} port {host.port}: {error or 'it hung up'}")
        case _:
            return None
