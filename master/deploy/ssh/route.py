"""The route by which ssh would reach a host: address, port, user, keys and jump hosts, as the ssh client itself makes them out.

`ssh -G` reads ~/.ssh/config and /etc/ssh/ssh_config, with all their Host, Match and Include, and says what is left. It is given
what Ansible would give it, in the same order, so that both reach the same machine as the same user. What it says that can't be
done here is refused by name.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from master.errors import InputError
from master.inventory.host import DEFAULT_PORT, Host
from master.trust.known_hosts import known_hosts_name

MAX_HOPS = 8
_SSH_TIMEOUT_S = 10.0
"""Longer than ssh takes to read its files, but for a `Match exec` that hangs."""
_MAX_THREADS = 16
_MAX_LOGINS_PER_JUMP = 8
"""Log-ins at one jump host at the same time: beyond ten, an sshd with its usual MaxStartups drops some by chance."""
_JUMP = re.compile(r"(?:ssh://)?(?:(?P<user>[^@/]+)@)?(?P<host>\[[^\[\]]+\]|[^:\[\]/@]+)(?::(?P<port>[0-9]{1,5}))?/?")
_TOKEN = re.compile(r"%(.)")
STRICT = {
    "StrictHostKeyChecking": "yes",
    "GlobalKnownHostsFile": "/dev/null",
    "NoHostAuthenticationForLocalhost": "no",
    "VerifyHostKeyDNS": "no",
    "UpdateHostKeys": "no",
    "KnownHostsCommand": "none",
    "CheckHostIP": "no",
}
"""Has an ssh client trust the keys in one file, and no others."""


@dataclass(frozen=True)
class Hop:
    """A machine that is logged in at: the host, or one on the way to it."""

    name: str
    """As the inventory or the ssh configuration names it."""
    address: str
    port: int
    user: str | None
    """None: whoever runs this."""
    known_hosts_name: str
    """How known_hosts names it."""
    keys: tuple[Path, ...] | None = None
    """The files of private keys to offer; None: those that are usual."""
    must_have_keys: bool = False
    """Whether each of them has to be there."""
    agent: bool = True
    """Whether the SSH agent's keys are offered too."""
    family: str = "any"
    """`any`, `inet` or `inet6`."""
    bind: str | None = None
    """The own address that it is connected from."""
    command: str | None = None
    """A program whose standard input and output lead there, in place of a connection."""


Route = tuple[Hop, ...]
"""The hops to a host, itself the last one."""


class Routes:
    """The routes to hosts, each resolved once. For use by several threads."""

    def __init__(self) -> None:
        self._found: dict[tuple[object, ...], Route] = {}
        self._login_limits: dict[str, threading.BoundedSemaphore] = {}
        self._lock = threading.Lock()
        self._client = shutil.which("ssh")
        descriptor, self._config = tempfile.mkstemp(".conf", "piswarm-ssh-")
        weakref.finalize(self, os.unlink, self._config)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(client_config({}))

    def route_to(self, host: Host) -> Route:
        """The route to `host`. Raises InputError, naming what is not supported."""
        own = (host.key_file,) if host.key_file is not None else None
        if not self._needs_ssh(host):
            port = DEFAULT_PORT if host.port is None else host.port
            where = known_hosts_name(host.address, port)
            return (Hop(host.name, host.address, port, host.user, where, own, own is not None, own is None),)
        # As Ansible's plugin for ssh puts them together.
        words = [] if host.port is None else ["-o", f"Port={host.port}"]
        words += [] if host.key_file is None else ["-o", f'IdentityFile="{host.key_file}"']
        words += [] if host.user is None else ["-o", f'User="{host.user}"']
        *jumps, last = self._route(host.name, host.address, (*words, *host.ssh_args), MAX_HOPS)
        if own is not None:
            # With a key of its own in the inventory no other is offered: six wrong ones and a server hangs up.
            last = replace(last, keys=own, must_have_keys=True, agent=False)
        return (*jumps, last)

    def resolve(self, hosts: Iterable[Host]) -> None:
        """Resolve the routes to `hosts`. Raises InputError for the first that is not supported."""
        with ThreadPoolExecutor(_MAX_THREADS, "route") as executor:
            for _ in executor.map(self.route_to, hosts):
                pass

    def login_limit(self, hop: Hop) -> threading.BoundedSemaphore:
        """To be held while logging in at a jump host."""
        with self._lock:
            return self._login_limits.setdefault(hop.known_hosts_name, threading.BoundedSemaphore(_MAX_LOGINS_PER_JUMP))

    def _needs_ssh(self, host: Host) -> bool:
        """Whether there is anything that only ssh can tell. Raises InputError where there is and ssh is not."""
        there = [file for file in config_files() if file.exists()]
        if self._client is not None:
            return bool(there or host.ssh_args)
        if there or host.ssh_args:
            what = str(there[0]) if there else f"ansible_ssh_common_args of {host.name}"
            raise InputError(f"{what} can't be honoured without ssh", hint="install it (Debian: openssh-client)")
        return False

    def _route(self, name: str, address: str, words: Sequence[str], left: int) -> Route:
        key = (address, *words)
        with self._lock:
            found = self._found.get(key)
        if found is not None:
            return (*found[:-1], replace(found[-1], name=name))
        if left == 0:
            text = f"{name}: more than {MAX_HOPS} jumps, or a jump host that is reached by itself"
            raise InputError(text, hint="correct ProxyJump in ~/.ssh/config")
        said = self._ask_ssh(name, address, words)
        hop = _hop(name, address, said)
        jumps: Route = ()
        through = said.get("proxyjump", ["none"])[0]
        if through != "none":
            jumps = self._jumps(name, through, left - 1)
        route = (*jumps, hop)
        with self._lock:
            self._found[key] = route
        return route

    def _jumps(self, name: str, through: str, left: int) -> Route:
        """The route to the last of the jump hosts: through those before it, or as its own configuration says."""
        *before, last = through.split(",")
        found = _JUMP.fullmatch(last)
        if found is None:
            raise InputError(f"{name}: {last[:80]!r} is no jump host", hint="[user@]host[:port]")
        words = ["-l", found["user"]] if found["user"] else []
        words += ["-p", found["port"]] if found["port"] else []
        words += ["-J", ",".join(before)] if before else []
        return self._route(last, found["host"].strip("[]"), words, left)

    def _ask_ssh(self, name: str, address: str, words: Sequence[str]) -> Mapping[str, list[str]]:
        assert self._client is not None
        command = [self._client, "-G", "-F", self._config, *words, "--", address]
        try:
            done = subprocess.run(  # noqa: S603  # arguments that were looked at, in Ansible's order
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SSH_TIMEOUT_S, check=False,
                encoding="utf-8", errors="replace",
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise InputError(
                f"{name}: ssh -G {address} did not end in {_SSH_TIMEOUT_S:.0f} s", hint="see Match exec"
            ) from None
        if done.returncode != 0:
            said = " ".join(done.stderr.split())[:300]
            raise InputError(f"{name}: ssh can't read its configuration: {said}", hint="correct ~/.ssh/config")
        found: dict[str, list[str]] = {}
        for line in done.stdout.splitlines():
            key, _, value = line.partition(" ")
            found.setdefault(key, []).append(value)
        return found


def config_files() -> tuple[Path, ...]:
    """The files that ssh reads, the operator's first. By HOME, which ssh itself does not use: so are they everywhere here."""
    return Path("~/.ssh/config").expanduser(), Path("/etc/ssh/ssh_config")


def client_config(first: Mapping[str, str]) -> str:
    """A configuration of ssh with options that come `first`, then the usual files. ssh hands it on to the ssh of each jump."""
    lines = ["Host *", *(f"  {option} {quoted(value)}" for option, value in first.items())]
    for config in config_files():
        if config.exists():  # either may end within a block of its own, which the next one is no part of
            lines += ["Match all", f"  Include {quoted(str(config))}"]
    return "\n".join(lines) + "\n"


def quoted(value: str) -> str:
    """`value` as one word of ssh's configuration."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' if re.search(r"[\s\"\\#]", value) else value


def _hop(name: str, original: str, said: Mapping[str, list[str]]) -> Hop:
    """The hop that `ssh -G` describes. Raises InputError for options that are not supported."""

    def one(option: str, usual: str) -> str:
        return said.get(option, [usual])[0]

    address, port = one("hostname", original), int(one("port", str(DEFAULT_PORT)))
    identities = tuple(Path(file).expanduser() for file in said.get("identityfile", ()) if file != "none")
    _refuse_unsupported(name, said, identities)
    alias = one("hostkeyalias", "none")
    bind, command = one("bindaddress", "none"), one("proxycommand", "none")
    user = one("user", "")
    return Hop(
        name,
        address,
        port,
        user or None,
        known_hosts_name(address, port) if alias == "none" else alias,
        keys=tuple(file for file in identities if file.exists()),
        agent=one("identitiesonly", "no") != "yes" and one("identityagent", "") != "none",
        family=one("addressfamily", "any"),
        bind=None if bind == "none" else bind,
        command=None if command == "none" else _expanded(original, command, address, port, user),
    )


def _refuse_unsupported(name: str, said: Mapping[str, list[str]], identities: Sequence[Path]) -> None:
    agent = said.get("identityagent", [""])[0]
    usual_agent = ("", "none", "SSH_AUTH_SOCK", "$SSH_AUTH_SOCK", os.environ.get("SSH_AUTH_SOCK", ""))
    certificates = [Path(file).expanduser() for file in said.get("certificatefile", ()) if file != "none"]
    beside = {Path(f"{file}-cert.pub") for file in identities}
    faults = {
        "BindInterface": said.get("bindinterface", ["none"])[0] != "none",
        "ProxyUseFdpass": said.get("proxyusefdpass", ["no"])[0] != "no",
        "PKCS11Provider": said.get("pkcs11provider", ["none"])[0] != "none",
        "IdentityAgent (set SSH_AUTH_SOCK)": agent not in usual_agent,
        "CertificateFile (name it as its key, with -cert.pub)": any(file not in beside for file in certificates),
        "PubkeyAuthentication no": said.get("pubkeyauthentication", ["yes"])[0] in ("no", "false"),
    }
    for option, is_there in faults.items():
        if is_there:
            text = f"{name}: its ssh configuration has {option}, which piswarm can't honour"
            raise InputError(text, hint="leave it out for this host: ssh -G shows where it counts")


def _expanded(name: str, command: str, address: str, port: int, user: str) -> str:
    """A ProxyCommand with its tokens filled in. Raises InputError for one that is not known."""
    values = {"%": "%", "h": address, "p": str(port), "r": user, "n": name}

    def fill(found: re.Match[str]) -> str:
        if found[1] not in values:
            raise InputError(f"{name}: its ProxyCommand has %{found[1]}; known are %h, %p, %r, %n and %%")
        return values[found[1]] if found[1] == "%" else shlex.quote(values[found[1]])

    return _TOKEN.sub(fill, command)
