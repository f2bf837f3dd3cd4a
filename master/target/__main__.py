"""The target's process: `python -m master.target`."""

from __future__ import annotations

import argparse
import json
import os
import resource
import secrets
import signal
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import uvicorn

from .app import Gateway
from .auth import TOKEN_LIFETIME_S, Authority
from .scratch import scratch_directory
from .storage import ForeignDatabaseError, TargetStorage

PASSWORD_VARIABLE = "PISWARM_TARGET_PASSWORD"  # noqa: S105  # the variable's name
MAX_PASSWORD_CHARACTERS = 256
"""More than a sign-in may send can't be a password (messages.Login)."""
# Longer than any user of the load profile pauses (30 s): a server that hangs up on an idle connection just when a request
# is on its way makes the request fail, and the generator count an error that is none.
KEEP_ALIVE_S = 120
EXIT_INPUT = 2


class PasswordError(Exception):
    """No password can be had from where it was to come from; says why."""


class Orders(msgspec.Struct, frozen=True):
    """What a parent writes to standard input first, as one line of JSON."""

    password: str


class Server(uvicorn.Server):
    """Says on stdout when it accepts connections."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept, then print the one line that a parent waits for."""
        await super().startup(sockets)
        for listener in sockets or ():
            host, port = listener.getsockname()[:2]
            url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
            print(json.dumps({"ready": True, "url": url}), flush=True)  # noqa: T201  # the contract with the parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to end. Returns the exit code: 0, or 2 when the arguments can't be followed."""
    options = _parse(arguments)
    try:
        password = _password(options)
    except PasswordError as error:
        return _refuse(str(error))
    with scratch_directory() as directory:
        try:
            listener = _listen(options.host, options.port)
        except OSError as error:
            return _refuse(f"can't listen on {options.host}:{options.port}: {error.strerror}; name a free --port, or 0")
        try:
            storage = TargetStorage(options.database or directory / "target.db")
        except (ForeignDatabaseError, sqlite3.Error, OSError) as error:
            listener.close()
            return _refuse(f"can't use --database {options.database}: {error}; name a new file")
        _raise_file_limit()
        with listener, ThreadPoolExecutor(max_workers=2, thread_name_prefix="work") as pool:
            if password is None:
                password = secrets.token_urlsafe()
                _say(f"all accounts have the password {password} until this target ends")
            authority = Authority(password, lifetime_s=options.token_lifetime)
            _serve(
                Gateway(authority, storage, pool),
                listener,
                until_stdin_closes=options.until_stdin_closes,
                outlive_s=options.outlive,
            )
        storage.close()
    return 0


def _serve(app: Gateway, listener: socket.socket, *, until_stdin_closes: bool, outlive_s: float) -> None:
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        headers=[("cache-control", "no-store"), ("x-content-type-options", "nosniff")],
        backlog=4096,  # a fleet connects all at once
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=5,
    )
    server = Server(config)

    def stop(*_: object) -> None:
        server.should_exit = True

    # uvicorn ends on these signals and then raises them again for the handlers it found; these make that end an orderly one.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, stop)
    if until_stdin_closes:
        orphaned = threading.Event()

        def stop_if_orphaned(*_: object) -> None:
            if orphaned.is_set():
                # Sent again while Python ends, it would kill a process whose handlers are gone.
                signal.signal(signal.SIGUSR1, signal.SIG_IGN)
                stop()

        # The next controller sends it to the target of one that died, whose port it needs.
        signal.signal(signal.SIGUSR1, stop_if_orphaned)
        requests = lambda: server.server_state.total_requests  # noqa: E731  # uvicorn's own count
        threading.Thread(target=_wait_for_stdin, args=(stop, orphaned, requests, outlive_s), daemon=True).start()
    server.run([listener])


def _wait_for_stdin(
    stop: Callable[[], None], orphaned: threading.Event, requests: Callable[[], int], outlive_s: float
) -> None:
    # os.read takes no lock of a Python file, which a thread still waiting here at the end would hold.
    while os.read(0, 4096):
        pass
    orphaned.set()
    seen, idle_since_s = requests(), time.monotonic()
    while time.monotonic() - idle_since_s < outlive_s:
        time.sleep(0.5)
        if requests() != seen:
            seen, idle_since_s = requests(), time.monotonic()
    stop()


def _password(options: argparse.Namespace) -> str | None:
    """The password of all accounts as it was given; None where one is to be made. Raises PasswordError."""
    if options.orders_on_stdin:
        try:
            found, source = msgspec.json.decode(_first_line(), type=Orders).password, "standard input"
        except msgspec.MsgspecError as error:
            raise PasswordError(f"no orders on standard input: {error}; write one line of JSON") from None
    elif options.password_file is not None:
        source = f"--password-file {options.password_file}"
        try:
            found = options.password_file.read_text("utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise PasswordError(f"can't read {source}: {error}; name a file with the password alone") from None
    else:
        found, source = os.environ.get(PASSWORD_VARIABLE, ""), PASSWORD_VARIABLE
        if not found:
            return None
    if not 1 <= len(found) <= MAX_PASSWORD_CHARACTERS:
        raise PasswordError(
            f"the password of {source} has {len(found)} characters; give it 1 to {MAX_PASSWORD_CHARACTERS}"
        )
    return found


def _first_line() -> bytes:
    """The first line of standard input, or what came before its end. What a parent writes later is not waited for."""
    line = b""
    while not line.endswith(b"\n") and (more := os.read(0, 4096)):
        line += more
    return line


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


def _raise_file_limit() -> None:
    """One file per connection: let there be as many as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _refuse(message: str) -> int:
    _say(message)
    return EXIT_INPUT


def _say(message: str) -> None:
    print(f"target: {message}", file=sys.stderr, flush=True)  # noqa: T201  # the operator reads it


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m master.target",
        description="The embedded target: a small remote-desktop gateway to put load on. Prints one JSON line when ready.",
        epilog="example: python -m master.target --port 8080\n\n"
        "accounts: user0001 to user2000, admin01 to admin20, node0001 to node1000; their one password is that of\n"
        f"--password-file, or of the environment variable {PASSWORD_VARIABLE}. Without them one is made and\n"
        "printed on standard error. piswarm run --target URL takes it from the environment variable.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback only)")
    parser.add_argument("--port", type=_port, default=0, help="port to listen on (default: 0, a free one)")
    parser.add_argument("--database", type=Path, help="SQLite file, begun anew (default: in a temporary directory)")
    parser.add_argument(
        "--token-lifetime", type=int, default=TOKEN_LIFETIME_S, metavar="S", help="seconds (default: %(default)s)"
    )
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
        help="with --until-stdin-closes: end only when no request has come for so long since, or at SIGUSR1 (default: at once)",
    )
    return parser.parse_args(arguments)


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{port} is not between 0 and 65535")
    return port


if __name__ == "__main__":
    sys.exit(main())
