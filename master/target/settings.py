"""What the target's process can be told on its command line, or by environment variables."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from master.target.auth.authority import AuthSettings
from master.target.auth.lockout import LockoutRules
from master.target.auth.passwords import HashCost
from master.target.chain.chain import DEFAULT_BLOCK_TIME_S, DEFAULT_VALIDATORS
from master.target.chain.ledger.validator_set import MAX_VALIDATORS
from master.target.database.sqlite import Durability
from master.target.environment import EnvironmentParser
from master.target.nodes.liveness import ALIVE_WITHIN_S
from master.target.process.password import PASSWORD_VARIABLE
from master.target.rdp.ports import DEFAULT_PORTS, PortRange, parse_port_range
from master.target.rdp.servers import MAX_SERVERS
from master.target.streamgate.media.library import MediaLimits
from master.target.streamgate.wiring import StreamGateSettings


@dataclass(frozen=True)
class TargetSettings:
    """The settings of one target."""

    host: str
    port: int
    database: str | None
    """A file for SQLite, or the URL of PostgreSQL; None: SQLite in a temporary directory."""
    redis: str | None
    """The URL of Redis for what sign-in remembers and for caches; None: in the database, and in memory."""
    key_file: Path | None
    """None: beside the SQLite file, or inside PostgreSQL."""
    durability: Durability
    token_lifetime_s: int
    refresh_lifetime_s: int
    hash_memory_kib: int
    hash_passes: int
    lockout_failures: int
    lockout_address_failures: int
    lockout_s: float
    password_file: Path | None
    orders_on_stdin: bool
    until_stdin_closes: bool
    outlive_s: float
    alive_within_s: float
    rdp_ports: PortRange
    rdp_servers: int
    block_time_s: float
    validators: int
    rate_limit_per_s: float
    cache_mib: int
    cache_ttl_s: float

    @property
    def streaming(self) -> StreamGateSettings:
        """Those of StreamGate."""
        media = MediaLimits(cache_bytes=self.cache_mib * 1024 * 1024, cache_ttl_s=self.cache_ttl_s)
        return StreamGateSettings(self.rate_limit_per_s, media)

    @property
    def auth(self) -> AuthSettings:
        """Those of sign-in."""
        return AuthSettings(
            self.token_lifetime_s,
            self.refresh_lifetime_s,
            HashCost(self.hash_memory_kib, self.hash_passes),
            LockoutRules(self.lockout_failures, lock_s=self.lockout_s),
            LockoutRules(self.lockout_address_failures, lock_s=self.lockout_s),
        )


def parse_settings(arguments: Sequence[str] | None) -> TargetSettings:
    """The settings in `arguments` (None: those of the process), else in the environment, else the defaults.

    Ends the process with 2 when they can't be followed.
    """
    parser = create_parser()
    return TargetSettings(**vars(parser.parse_with_environment(arguments, os.environ)))


def create_parser() -> EnvironmentParser:
    """The parser of all options."""
    parser = EnvironmentParser(
        prog="python -m master.target",
        description="The embedded target: a small remote-desktop platform to put load on. Prints one JSON line when ready.",
        epilog="example: python -m master.target --port 8080\n\n"
        "accounts: user0001 to user2000, admin01 to admin20, node0001 to node1000; their one password is that of\n"
        f"--password-file, or of the environment variable {PASSWORD_VARIABLE}. Without them one is made and\n"
        "printed on standard error. piswarm run --target URL takes it from the environment variable.\n\n"
        "each option that takes a value has an environment variable too, such as PISWARM_TARGET_TOKEN_LIFETIME_S; the option wins.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback only)")
    parser.add_argument("--port", type=_port, default=0, help="port to listen on (default: 0, a free one)")
    parser.add_argument(
        "--database",
        metavar="FILE|URL",
        help="SQLite file or postgresql:// URL, taken up where it was left (default: a file in a temporary directory)",
    )
    parser.add_argument(
        "--redis",
        metavar="URL",
        help="redis:// URL for refresh tokens, revoked tokens, failed sign-ins and caches (default: in the database)",
    )
    parser.add_argument(
        "--key-file",
        type=Path,
        metavar="FILE",
        help="key of the recorded chunks, made if it is not there (default: beside the SQLite file; inside PostgreSQL, where"
        " it keeps nobody who reads the database from reading the chunks)",
    )
    parser.add_argument(
        "--durability",
        type=Durability,
        choices=list(Durability),
        default=Durability.PROCESS,
        help="what SQLite keeps of what was acknowledged: all if the process ends, also if the power does (default: %(default)s)",
    )
    _add_auth_options(parser)
    parser.add_argument("--password-file", type=Path, metavar="FILE", help="file with the password of all accounts")
    parser.add_argument(
        "--orders-on-stdin",
        action="store_true",
        help='first read one line of JSON from standard input: {"password": "…"}',
    )
    parser.add_argument(
        "--until-stdin-closes", action="store_true", help="end when stdin does, so as never to outlive the parent"
    )
    parser.add_argument(
        "--outlive",
        type=float,
        default=0.0,
        metavar="S",
        dest="outlive_s",
        help="with --until-stdin-closes: end only when no request has come for so long since, or at SIGUSR1 (default: at once)",
    )
    _add_node_options(parser)
    _add_chain_options(parser)
    _add_streaming_options(parser)
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{port} is not between 0 and 65535")
    return port


def _add_auth_options(parser: argparse.ArgumentParser) -> None:
    default = AuthSettings()
    parser.add_argument(
        "--token-lifetime",
        type=int,
        default=default.token_lifetime_s,
        metavar="S",
        dest="token_lifetime_s",
        help="seconds that a token is good (default: %(default)s)",
    )
    parser.add_argument(
        "--refresh-lifetime",
        type=_positive,
        default=default.refresh_lifetime_s,
        metavar="S",
        dest="refresh_lifetime_s",
        help="seconds that a refresh token is good (default: %(default)s)",
    )
    parser.add_argument(
        "--hash-memory",
        type=_positive,
        default=default.hash_cost.memory_kib,
        metavar="KIB",
        dest="hash_memory_kib",
        help="memory of Argon2id for a password hash, 8 at least (default: %(default)s, for 500 sign-ins a second and more on"
        " a core; OWASP asks of real services 19456 and 2 passes)",
    )
    parser.add_argument(
        "--hash-passes",
        type=_positive,
        default=default.hash_cost.passes,
        metavar="N",
        help="passes of Argon2id over that memory (default: %(default)s)",
    )
    parser.add_argument(
        "--lockout-failures",
        type=int,
        default=default.lockout.failures,
        metavar="N",
        help=f"failed sign-ins within {default.lockout.within_s:.0f} s that lock a name (default: %(default)s; 0: never)",
    )
    parser.add_argument(
        "--lockout-address-failures",
        type=int,
        default=default.address_lockout.failures,
        metavar="N",
        help=f"failed sign-ins within {default.address_lockout.within_s:.0f} s, of whatever names, that lock the address they"
        " come from; behind a proxy, which all come from: 0, never (default: %(default)s)",
    )
    parser.add_argument(
        "--lockout",
        type=float,
        default=default.lockout.lock_s,
        metavar="S",
        dest="lockout_s",
        help="seconds that either is locked (default: %(default)s)",
    )


def _add_node_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--alive-within",
        type=_seconds,
        default=ALIVE_WITHIN_S,
        metavar="S",
        dest="alive_within_s",
        help="a node that was silent for longer is lost (default: %(default)s)",
    )
    parser.add_argument(
        "--rdp-ports",
        type=_port_range,
        default=DEFAULT_PORTS,
        metavar="FIRST-LAST",
        help="ports of the RDP servers, which listen where --host does; 0: whichever are free (default: %(default)s)",
    )
    parser.add_argument(
        "--rdp-servers", type=_positive, default=MAX_SERVERS, metavar="N", help="at most so many (default: %(default)s)"
    )


def _add_chain_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--block-time",
        type=_seconds,
        default=DEFAULT_BLOCK_TIME_S,
        metavar="S",
        dest="block_time_s",
        help="seconds from one block of the chain to the next (default: %(default)s)",
    )
    parser.add_argument(
        "--validators",
        type=_validators,
        default=DEFAULT_VALIDATORS,
        metavar="N",
        help="validators with which a chain begins (default: %(default)s, which can do without one)",
    )


def _add_streaming_options(parser: argparse.ArgumentParser) -> None:
    default = StreamGateSettings()
    parser.add_argument(
        "--rate-limit",
        type=_rate,
        default=default.rate_limit_per_s,
        metavar="N",
        dest="rate_limit_per_s",
        help="requests a second that each caller may make of /media, /uploads and /cache, a second's worth of them at once"
        " (default: %(default)s; 0: without limit)",
    )
    parser.add_argument(
        "--cache-size",
        type=_positive,
        default=default.media.cache_bytes // (1024 * 1024),
        metavar="MIB",
        dest="cache_mib",
        help="memory of the cache of segments; that of metadata has an eighth of it (default: %(default)s)",
    )
    parser.add_argument(
        "--cache-ttl",
        type=_seconds,
        default=default.media.cache_ttl_s,
        metavar="S",
        dest="cache_ttl_s",
        help="seconds that an entry of the caches is good (default: %(default)s)",
    )


def _rate(text: str) -> float:
    rate_per_s = float(text)
    if not (rate_per_s == 0 or 0.01 <= rate_per_s <= 1e6):
        raise argparse.ArgumentTypeError(f"{text} is neither 0 nor between 0.01 and 1000000")
    return rate_per_s


def _validators(text: str) -> int:
    number = _positive(text)
    if number > MAX_VALIDATORS:
        raise argparse.ArgumentTypeError(f"{number} is more than {MAX_VALIDATORS}")
    return number


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not 1 or more")
    return number


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0.1 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text} is not between 0.1 and 86400")
    return seconds


def _port_range(text: str) -> PortRange:
    try:
        return parse_port_range(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
