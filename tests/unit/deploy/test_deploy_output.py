"""A command's output is read up to a limit; more output than that is the failure that is reported."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from master.deploy.failures import Cause, HostFailure
from master.deploy.ssh.connection import SshConnection

MIB = 1 << 20


class TalkativeChannel:
    """A channel of a command that prints so many bytes, and then ends with status 0."""

    def __init__(self, stdout_bytes: int, stderr_bytes: int) -> None:
        self._left = [stdout_bytes, stderr_bytes]
        self.status_event = threading.Event()
        self.status_event.set()
        self.exit_status = 0

    def _take(self, stream: int, most: int) -> bytes:
        taken = min(most, self._left[stream])
        self._left[stream] -= taken
        return b"x" * taken

    def recv(self, most: int) -> bytes:
        return self._take(0, most)

    def recv_stderr(self, most: int) -> bytes:
        return self._take(1, most)

    def settimeout(self, _: float) -> None:
        """Ignore the timeout: this channel never waits."""

    def exec_command(self, _: str) -> None:
        """Ignore the command: it runs already."""

    def shutdown_write(self) -> None:
        """Ignore the end of input: the command reads none."""

    def close(self) -> None:
        """Close nothing: the channel holds nothing."""


def connection_to(channel: TalkativeChannel) -> SshConnection:
    """An open connection whose only command is that of `channel`."""

    class Transport:
        def open_session(self, **_: float) -> TalkativeChannel:
            return channel

    class Login:
        transport = Transport()

    host: Any = None
    connection = SshConnection(host, host, host)
    connection._hops = Login()  # type: ignore[assignment]
    return connection


def test_as_much_as_fits_is_read() -> None:
    output = connection_to(TalkativeChannel(4 * MIB, 0)).run("true", timeout_s=60)
    assert len(output.stdout) == 4 * MIB


@pytest.mark.parametrize(("stdout_bytes", "stderr_bytes"), [(4 * MIB + 1, 0), (0, 4 * MIB + 1)])
def test_what_is_longer_is_no_timeout_but_too_much_output(stdout_bytes: int, stderr_bytes: int) -> None:
    """A command with too much output fails by that and not by a timeout, so that nobody is told to allow more time."""
    with pytest.raises(HostFailure) as caught:
        connection_to(TalkativeChannel(stdout_bytes, stderr_bytes)).run("yes", timeout_s=60)
    assert caught.value.cause is not Cause.TIMEOUT
    assert caught.value.cause == "too much output"
    assert caught.value.message == "a command said more than 4 MiB"
    assert "--deadline" not in caught.value.hint
