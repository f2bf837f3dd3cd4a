"""`piswarm serve`."""

from __future__ import annotations

import getpass
import ipaddress
import os
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from master.commands.output import show_lines
from master.errors import InputError

PASSWORD_VARIABLE = "PISWARM_SERVE_PASSWORD"  # noqa: S105  # its name
EPILOG = (
    "Examples: [bold]piswarm serve --control[/bold] and open http://127.0.0.1:9640\n\n"
    "[bold]piswarm serve --set-password ann[/bold], [bold]piswarm serve --make-certificate --name lab.example[/bold], then "
    "[bold]piswarm serve --host 0.0.0.0 --name lab.example --control[/bold]\n\n"
    "It only reads what runs have written: whoever looks, no run is slower for it. Ctrl-C ends it; a run that was started goes on."
)


def serve(
    *,
    runs: Annotated[Path, typer.Option(metavar="DIR", help="The folder with the run directories.")] = Path("runs"),
    scenarios: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder with the scenarios that can be started.")
    ] = Path("configs/scenarios"),
    host: Annotated[
        str, typer.Option(help="Address to listen on. Any but loopback needs an account and a certificate.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 9640,
    name: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name by which browsers reach this machine; again for more of them."),
    ] = None,
    control: Annotated[
        bool, typer.Option("--control", help="Let runs be started, stopped and resumed; without it they are shown.")
    ] = False,
    state: Annotated[
        Path, typer.Option(metavar="DIR", help="The directory with accounts and certificate, in its folder `serve`.")
    ] = Path(".piswarm"),
    set_password: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"Make an account or change its password, which is asked for or taken from {PASSWORD_VARIABLE}; then end.",
        ),
    ] = None,
    make_certificate: Annotated[
        bool,
        typer.Option(
            "--make-certificate", help="Make a certificate for --name and --host; show its fingerprint, then end."
        ),
    ] = False,
    certificate: Annotated[Path | None, typer.Option(metavar="FILE", help="A certificate of your own (PEM).")] = None,
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="Its key (PEM).")] = None,
) -> None:
    """Show runs, while they are on and afterwards, as a page in the browser."""
    from master.web.safety.accounts import Accounts  # noqa: PLC0415
    from master.web.safety.certificates import check_pair, fingerprint  # noqa: PLC0415
    from master.web.safety.certificates import make_certificate as make  # noqa: PLC0415
    from master.web.safety.hosts import names_of  # noqa: PLC0415
    from master.web.serve.server import listen  # noqa: PLC0415
    from master.web.serve.server import serve as run_server  # noqa: PLC0415
    from master.web.serve.settings import ServeSettings  # noqa: PLC0415

    accounts = Accounts(state / "serve" / "accounts")
    own = (state / "serve" / "certificate.pem", state / "serve" / "key.pem")
    if set_password is not None:
        accounts.set_password(set_password, _read_password(set_password))
        show_lines([f"{set_password} can sign in"])
        return
    if make_certificate:
        make(*own, [*(name or []), *([] if host in {"0.0.0.0", "::"} else [host]), "localhost"])  # noqa: S104
        show_lines(
            [f"{own[0]} is made; a browser that asks must show this fingerprint (SHA-256):", fingerprint(own[0])]
        )
        return
    if (certificate is None) is not (key is None):
        raise InputError("--certificate and --key go together", hint="Name both, or neither.")
    pair = (certificate, key) if certificate is not None and key is not None else own if own[0].exists() else None
    loopback = _is_loopback(host)
    if not loopback and not accounts:
        raise InputError(
            f"{host} can be reached by others, and there is no account",
            hint="Make one: piswarm serve --set-password NAME",
        )
    if not loopback and pair is None:
        raise InputError(
            f"{host} can be reached by others, and there is no certificate",
            hint="Make one: piswarm serve --make-certificate --name THIS_MACHINE, or name yours with --certificate and --key.",
        )
    tls = pair is not None and (not loopback or certificate is not None)
    if tls and pair is not None:
        check_pair(*pair)
    settings = ServeSettings(
        runs,
        scenarios,
        names_of(host, [*(name or []), *([] if loopback else [socket.gethostname()])]),
        control=control,
        accounts=accounts if not loopback or accounts else None,
        tls=tls,
    )
    listener = listen(host, port)
    shown = (name or ["127.0.0.1" if loopback else socket.gethostname()])[0]
    show_lines(
        [
            f"piswarm {'shows and starts' if control else 'shows'} runs on http{'s' if tls else ''}://{shown}:{listener.getsockname()[1]}"
        ]
    )
    if tls and pair is not None:
        show_lines([f"certificate (SHA-256): {fingerprint(pair[0])}"])
    run_server(settings, listener, *(pair if tls and pair is not None else (None, None)))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read_password(name: str) -> str:
    given = os.environ.get(PASSWORD_VARIABLE)
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise InputError(f"there is no terminal to ask for the password of {name}", hint=f"Set {PASSWORD_VARIABLE}.")
    first, second = getpass.getpass(f"Password of {name}: "), getpass.getpass("Again: ")
    if first != second:
        raise InputError("the two are not the same", hint="Try again.")
    return first
