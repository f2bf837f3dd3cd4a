"""Connects along a route to a host: directly, by a proxy command, or through jump hosts. Each hop's host key is checked first."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import time
from typing import Any

import paramiko

from master.deploy.failures import Cause, HostFailure
from master.deploy.ssh.route import Hop, Route, Routes
from master.inventory.host import DEFAULT_PORT
from master.trust.known_hosts import HostKey, KnownHosts

_FAMILIES = {"any": socket.AF_UNSPEC, "inet": socket.AF_INET, "inet6": socket.AF_INET6}
_TCP_USER_TIMEOUT_S = 30.0
"""How long sent data may stay without an acknowledgement by the network before the connection counts as lost."""
_END_S = 3.0
_RETRY_WAITS_S = (0.5, 1.0, 2.0)
"""Waits before a jump host that hung up is asked again."""

logging.getLogger("paramiko").addHandler(logging.NullHandler())  # what it would tell is in the failures


class HopConnections:
    """Open connections to the hops of one route, first hop first. `abort` may be called by any thread, the rest by one."""

    def __init__(self, route: Route, known: KnownHosts, routes: Routes, *, connect_s: float) -> None:
        self._route = route
        self._known = known
        self._routes = routes
        self._connect_s = connect_s
        self._clients: list[paramiko.SSHClient] = []
        self._sockets: list[Any] = []
        self._command: subprocess.Popen[bytes] | None = None

    @property
    def transport(self) -> paramiko.Transport | None:
        """The connection to the last hop; None before it is logged in."""
        return self._clients[-1].get_transport() if len(self._clients) == len(self._route) else None

    def connect_socket(self) -> Any:
        """Log in at all hops but the last one; a socket that leads there. Raises HostFailure."""
        for hop in self._route[:-1]:
            self._log_in(hop)
        return self._socket(self._route[-1])

    def log_in(self) -> paramiko.Transport:
        """Log in at all hops; the connection to the last one. Raises HostFailure."""
        for hop in self._route:
            self._log_in(hop)
        assert self.transport is not None
        return self.transport

    def close(self) -> None:
        """End it all, the last hop first."""
        while self._clients:
            self._clients.pop().close()
        while self._sockets:
            self._sockets.pop().close()
        command, self._command = self._command, None
        if command is not None:
            try:
                command.wait(_END_S)  # its standard input has ended
            except subprocess.TimeoutExpired:
                os.killpg(command.pid, signal.SIGKILL)
                command.wait()

    def abort(self) -> None:
        """Cut it; what waits on it fails."""
        for client in reversed(self._clients):
            transport = client.get_transport()
            if transport is not None:
                transport.close()

    def _log_in(self, hop: Hop) -> None:
        key = self._known.at(hop.known_hosts_name)
        if key is None:
            text = f"the key of {hop.address if hop is self._route[-1] else describe_hop(hop)} is not known yet"
            raise HostFailure(Cause.HOST_KEY, text, enroll_hint(self._route))
        try:
            if hop is self._route[-1]:
                self._connect(hop, key)
            else:
                self._connect_to_jump(hop, key)
        except HostFailure:
            raise
        except Exception as error:
            failure = connection_failure(error, hop, self._route)
            if failure is None:
                raise
            raise failure from None

    def _connect_to_jump(self, hop: Hop, key: HostKey) -> None:
        """Log in at a jump host. An sshd with too many logins at once hangs up, so that is tried again after each of _RETRY_WAITS_S."""
        for wait_s in (*_RETRY_WAITS_S, None):
            with self._routes.login_limit(hop):  # from its first byte on: an sshd counts whoever has not logged in yet
                try:
                    return self._connect(hop, key)
                except (paramiko.SSHException, ConnectionResetError, EOFError) as error:
                    if wait_s is None or (isinstance(error, paramiko.SSHException) and "banner" not in str(error)):
                        raise
                    self._clients.pop().close()
            time.sleep(wait_s)
        return None

    def _connect(self, hop: Hop, key: HostKey) -> None:
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        # Under the name that Paramiko looks for.
        name = hop.address if hop.port == DEFAULT_PORT else f"[{hop.address}]:{hop.port}"
        client.get_host_keys().add(name, key.kind, paramiko.PKey.from_type_string(key.kind, key.blob))
        link = self._socket(hop)
        self._clients.append(client)
        client.connect(
            hop.address,
            hop.port,
            hop.user,
            sock=link,
            key_filename=None if hop.keys is None else [str(file) for file in hop.keys],
            allow_agent=hop.agent,
            look_for_keys=hop.keys is None,
            timeout=self._connect_s,
            banner_timeout=self._connect_s,
            auth_timeout=self._connect_s,
            channel_timeout=self._connect_s,
            transport_factory=_transport,
        )

    def _socket(self, hop: Hop) -> Any:
        """A socket to `hop`, from the hop before it. Raises HostFailure."""
        try:
            if hop.command is not None:
                link = self._run_proxy_command(hop.command)
            elif self._clients:
                transport = self._clients[-1].get_transport()
                assert transport is not None
                there = (hop.address, hop.port)
                link = transport.open_channel("direct-tcpip", there, ("127.0.0.1", 0), timeout=self._connect_s)
            else:
                link = _connect_directly(hop, self._connect_s)
        except Exception as error:
            failure = connection_failure(error, hop, self._route)
            if failure is None:
                raise
            raise failure from None
        self._sockets.append(link)
        return link

    def _run_proxy_command(self, command: str) -> socket.socket:
        ours, its = socket.socketpair()
        with its:
            self._command = subprocess.Popen(  # noqa: S602  # the operator's own, which ssh would run too, in the same way
                f"exec {command}",
                shell=True,
                stdin=its.fileno(),
                stdout=its.fileno(),
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        return ours


def _connect_directly(hop: Hop, timeout_s: float) -> socket.socket:
    """A connection to the first of the hop's addresses that takes one. Raises OSError."""
    failed: OSError | None = None
    for family, kind, protocol, _, address in socket.getaddrinfo(
        hop.address, hop.port, _FAMILIES.get(hop.family, socket.AF_UNSPEC), socket.SOCK_STREAM
    ):
        link = socket.socket(family, kind, protocol)
        try:
            link.settimeout(timeout_s)
            if hop.bind is not None:
                link.bind((hop.bind, 0))
            link.connect(address)
        except OSError as error:
            link.close()
            failed = error
            continue
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # On Linux; else it takes a quarter of an hour until a link that is cut is noticed.
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(_TCP_USER_TIMEOUT_S * 1000))
        return link
    raise failed or OSError("it has no address")


def _transport(*arguments: Any, **options: Any) -> paramiko.Transport:
    """One that prefers a cipher which authenticates by itself: half of the work of a cipher and a MAC, at both ends."""
    transport = paramiko.Transport(*arguments, **options)
    security = transport.get_security_options()
    security.ciphers = sorted(security.ciphers, key=lambda name: "-gcm@" not in name)
    return transport


def describe_hop(hop: Hop) -> str:
    """The hop as messages name it: by its name, with the address where that differs."""
    return hop.address if hop.name == hop.address else f"{hop.name} ({hop.address})"


def enroll_hint(route: Route) -> str:
    """What to do about a host key that is not known."""
    return f"look at its fingerprint, and enroll it: fab enroll --limit {route[-1].name}"


def connection_failure(  # noqa: PLR0911  # one for each cause
    error: Exception, hop: Hop, route: Route
) -> HostFailure | None:
    """The failure that `error` at `hop` means; None for what is no failure of a host. Pure."""
    at = hop.address if hop is route[-1] else f"the jump host {describe_hop(hop)}"
    match error:
        case paramiko.BadHostKeyException():
            text = f"{at} shows another key than the one enrolled: {error.key.fingerprint}"
            hint = f"find out why before anything else; if it was set up anew: fab revoke {hop.name}, then fab enroll"
            return HostFailure(Cause.HOST_KEY, text, hint)
        case paramiko.PasswordRequiredException():
            file = f" {hop.keys[0]}" if hop.keys and hop.must_have_keys else ""
            return HostFailure(
                Cause.AUTH,
                f"the key{file} needs a passphrase",
                "add it to your SSH agent and leave it out of the inventory",
            )
        case paramiko.AuthenticationException():
            return HostFailure(Cause.AUTH, f"{hop.user or 'you'} may not log in at {at}: {error}")
        case paramiko.ChannelException():
            text = f"{at} port {hop.port}: the way to it ends before: {error.text}"
            return HostFailure(Cause.UNREACHABLE, text, "is it on, and may the jump host forward to it?")
        case TimeoutError():
            return HostFailure(Cause.UNREACHABLE, f"{at} port {hop.port} did not answer in time")
        case socket.gaierror():
            hint = "correct ansible_host in the inventory, ~/.ssh/config, or the name server"
            return HostFailure(Cause.UNREACHABLE, f"nobody knows the name {hop.address}", hint)
        case paramiko.SSHException() if "not found in known_hosts" in str(error):
            return HostFailure(Cause.HOST_KEY, str(error), enroll_hint(route))
        case paramiko.SSHException() if "encountered" in str(error) or "not a valid" in str(error):
            return HostFailure(Cause.AUTH, str(error))
        case FileNotFoundError() | PermissionError() if error.filename is not None:
            return HostFailure(Cause.AUTH, f"the key {error.filename} can't be read: {error.strerror}")
        case OSError():
            return HostFailure(Cause.UNREACHABLE, f"{at} port {hop.port}: {error.strerror or error or 'it hung up'}")
        case paramiko.SSHException() | EOFError():
            return HostFailure(Cause.UNREACHABLE, f"{at} port {hop.port}: {error or 'it hung up'}")
        case _:
            return None
