"""Work on many hosts at once is bounded, and no host's failure affects another host."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from master.deploy.failures import Cause
from master.deploy.host.session import HostSession
from master.deploy.rollout.host_pool import HostPool, HostTask, PoolLimits, ProgressListener
from master.deploy.rollout.results import HostResult
from master.inventory.host import Host
from master.trust.known_hosts import HostKey, KnownHosts, known_hosts_name

KEY = HostKey("ssh-ed25519", b"\0\0\0\x0bssh-ed25519\0\0\0 " + bytes(range(32)))


def host(number: int, port: int) -> Host:
    address = f"127.0.{number // 250}.{number % 250 + 1}"
    return Host(f"pi{number:03}", address, "ops", port, None, None, None, None, ())


def no_work(_: HostSession, task: HostTask) -> HostResult:
    raise AssertionError(f"{task.host.name} was connected to")


class Counting(ProgressListener):
    """Work that counts how many hosts were worked on at the same time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = self.most = 0
        self.first = threading.Event()

    def host_started(self, _: HostTask) -> None:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.first.set()

    def host_ended(self, _: HostTask, __: HostResult) -> None:
        with self.lock:
            self.now -= 1


@contextmanager
def nobody() -> Iterator[int]:
    """A port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@contextmanager
def silent() -> Iterator[tuple[int, socket.socket]]:
    """A port at which a process listens and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        yield server.getsockname()[1], server


def fleet(hosts: list[Host], listener: ProgressListener, limits: PoolLimits) -> HostPool:
    keys = {known_hosts_name(one.address, one.port or 22): KEY for one in hosts}
    return HostPool(KnownHosts(None, keys), limits, listener)  # type: ignore[arg-type]  # it is never written


def test_hosts_at_once_do_each_other_no_harm() -> None:
    """Results of hosts come in their order, and no more hosts than the pool allows are worked on at once."""
    with nobody() as port:
        hosts = [host(number, port) for number in range(120)]
        watcher = Counting()
        results = fleet(hosts, watcher, PoolLimits(connect_s=5, pool=16)).each("testing", hosts, no_work)
    assert {result.cause for result in results} == {Cause.UNREACHABLE}, results
    assert [result.host for result in results] == [one.name for one in hosts]
    assert 1 < watcher.most <= 16


def test_a_host_that_says_nothing_takes_its_time_and_no_more() -> None:
    """A host that accepts a connection and says nothing costs its timeout and no more."""
    with silent() as (port, _):
        (result,) = fleet([host(0, port)], ProgressListener(), PoolLimits(connect_s=0.5)).each(
            "testing", [host(0, port)], no_work
        )
    assert result.cause is Cause.UNREACHABLE
    assert "port" in result.message


def test_a_host_that_is_no_ssh_server() -> None:
    """A host that is no SSH server is told from one that is down."""
    with silent() as (port, server):

        def answer() -> None:
            link, _ = server.accept()
            with link:
                link.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        (result,) = fleet([host(0, port)], ProgressListener(), PoolLimits(connect_s=2)).each(
            "testing", [host(0, port)], no_work
        )
        thread.join()
    assert result.cause is Cause.UNREACHABLE


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_begins_no_further_host(times: int) -> None:
    """After Ctrl-C no further host is begun, and those begun are finished; a second Ctrl-C cuts them off."""
    with silent() as (port, _):
        hosts = [host(number, port) for number in range(5)]
        watcher = Counting()
        many = fleet(hosts, watcher, PoolLimits(connect_s=1, pool=1))

        def interrupt() -> None:
            for _ in range(times):
                watcher.first.wait()
                os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        results = many.each("testing", hosts, no_work)
        thread.join()
    assert many.stopped
    assert results[0].cause is Cause.UNREACHABLE
    assert {(result.cause, result.message) for result in results[1:]} == {(Cause.SKIPPED, "interrupted")}
