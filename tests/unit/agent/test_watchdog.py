"""What an agent tells systemd, and when: over a real socket, with the time as a parameter."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.agent.watchdog import Watchdog


class Manager:
    """A service manager that the test plays; it returns the messages since it was last asked."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind(address)

    def told(self) -> list[str]:
        words = []
        while True:
            try:
                words.append(self.socket.recv(200).decode())
            except BlockingIOError:
                return words


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(str(tmp_path / "notify"))
    yield manager
    manager.socket.close()


def test_the_first_look_says_that_it_is_up_and_the_next_that_it_is_alive_four_times_in_the_limit(
    manager: Manager,
) -> None:
    watchdog = Watchdog(
        {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(os.getpid())}
    )
    watchdog.notify(100.0)
    assert manager.told() == ["READY=1\nWATCHDOG=1"]
    watchdog.notify(104.9)
    assert manager.told() == []
    watchdog.notify(105.0)
    watchdog.notify(106.0)
    watchdog.notify(110.0)
    assert manager.told() == ["WATCHDOG=1", "WATCHDOG=1"]


@pytest.mark.parametrize(
    "of_watchdog", [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "1"}]
)
def test_without_a_watchdog_of_its_own_it_only_says_that_it_is_up(
    manager: Manager, of_watchdog: dict[str, str]
) -> None:
    watchdog = Watchdog({"NOTIFY_SOCKET": manager.address, **of_watchdog})
    for now_s in (0.0, 5.0, 1e6):
        watchdog.notify(now_s)
    assert manager.told() == ["READY=1\nWATCHDOG=1"]


def test_what_could_not_be_told_is_told_at_the_next_look(manager: Manager, tmp_path: Path) -> None:
    """A message that could not be sent, as while systemd itself restarts, is sent at the next notification."""
    moved = tmp_path / "moved"
    watchdog = Watchdog({"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "20000000"})
    Path(manager.address).rename(moved)
    watchdog.notify(0.0)
    moved.rename(manager.address)
    assert manager.told() == []
    watchdog.notify(0.5)
    assert manager.told() == ["READY=1\nWATCHDOG=1"]


def test_a_manager_that_does_not_listen_holds_nothing_up(manager: Manager) -> None:
    """When the buffer of the manager's socket is full, a message is lost and the caller goes on."""
    watchdog = Watchdog({"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "4"})
    for turn in range(1000):  # a datagram socket of Linux holds about ten that nobody has read (max_dgram_qlen)
        watchdog.notify(float(turn))
    assert 0 < len(manager.told()) < 1000


def test_an_address_may_be_in_the_abstract_namespace() -> None:
    name = f"piswarm-test-{os.getpid()}"
    manager = Manager(f"\0{name}")
    Watchdog({"NOTIFY_SOCKET": f"@{name}"}).notify(0.0)
    told = manager.told()
    manager.socket.close()
    assert told == ["READY=1\nWATCHDOG=1"]


def test_nothing_is_told_where_nobody_asks() -> None:
    Watchdog({}).notify(0.0)
    Watchdog({"WATCHDOG_USEC": "20000000"}).notify(0.0)


def test_what_the_process_does_is_told_when_it_changes(manager: Manager) -> None:
    """A changed status is sent without waiting for the next sign of life, also without a watchdog."""
    watchdog = Watchdog({"NOTIFY_SOCKET": manager.address})
    watchdog.notify(0.0, "waiting")
    watchdog.notify(0.1, "waiting")
    watchdog.notify(0.2, "running")
    assert manager.told() == ["READY=1\nWATCHDOG=1\nSTATUS=waiting", "WATCHDOG=1\nSTATUS=running"]
    Watchdog({}).notify(0.0, "nobody asks")
