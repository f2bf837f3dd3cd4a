"""Options of Locust's command that have another meaning here, or none, each with why, and what there is in its place. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BREAK = "--piswarm-option"
"""Stands among the words for Locust's parser where an option of piswarm's was taken out, so that a list of values ends there."""


@dataclass(frozen=True)
class OtherOption:
    """What becomes of an option that is given: the run is refused, or one warning says that it is not used."""

    why: str
    refused: bool = False


_PAGE = OtherOption("there is no web interface to start a run from; a run is followed on the terminal")
_PORT = OtherOption("the port that nodes connect to is said by --listen and --port")
_LOGS = OtherOption("what users print and log is kept in the run's logs/")
_TERMINAL = OtherOption("the terminal shows the run as long as it is on, and its result")
_FLEET = OtherOption("nodes and their workers are started by piswarm: --local 4, or --inventory FILE", refused=True)

OTHER_OPTIONS: Mapping[str, OtherOption] = {
    "--headless": OtherOption("a run always is"),
    "--headful": _PAGE,
    "--autostart": OtherOption("a run begins by itself as soon as its nodes are ready"),
    "--autoquit": OtherOption("the command ends with the run"),
    "--web-host": _PAGE,
    "--web-host-display-name": _PAGE,
    "--web-port": _PAGE,
    "--web-login": _PAGE,
    "--web-base-path": _PAGE,
    "--tls-cert": _PAGE,
    "--tls-key": _PAGE,
    "--class-picker": _PAGE,
    "--build-path": _PAGE,
    "--master": OtherOption("the command is the master always"),
    "--master-bind-host": _PORT,
    "--master-bind-port": _PORT,
    "--master-host": _FLEET,
    "--master-port": _FLEET,
    "--worker": _FLEET,
    "--processes": _FLEET,
    "--expect-workers": OtherOption("a run waits for its nodes: for as many as --local or --inventory says"),
    "--expect-workers-max-wait": OtherOption(
        "a run waits 60 s for its nodes; in a scenario `nodes: {wait: 5m}` says another time"
    ),
    "--enable-rebalancing": OtherOption("users of lost nodes always go to others"),
    "--config-users": OtherOption("in a scenario, `users: {ApiUser: 3}` says weights and fixed counts", refused=True),
    "--equal-weights": OtherOption(
        "in a scenario, `users: {ApiUser: 1, WebUser: 1}` says weights of classes; those of tasks are the locustfile's",
        refused=True,
    ),
    "--reset-stats": OtherOption("only the time after the ramp is judged, and the rest is kept beside it"),
    "--print-stats": _TERMINAL,
    "--only-summary": _TERMINAL,
    "--skip-log-setup": _LOGS,
    "--loglevel": _LOGS,
    "--logfile": _LOGS,
    "--show-task-ratio": OtherOption("Locust shows it: locust -f FILE --show-task-ratio", refused=True),
    "--show-task-ratio-json": OtherOption("Locust shows it: locust -f FILE --show-task-ratio-json", refused=True),
    "--exit-code-on-error": OtherOption("the exit status says the verdict: 0 PASS, 1 FAIL, 3 INVALID, 4 ABORTED"),
    "--profile": OtherOption("the run directory, --out, tells runs apart"),
    "--otel": OtherOption("in a scenario, `tracing: {endpoint: …}` has requests traced", refused=True),
}

MEANT_OPTIONS: Mapping[str, str] = {
    "clients": "users",
    "hatch-rate": "spawn-rate",
    "no-web": "headless",
    "node": "local",
    "nodes": "local",
    "num-users": "users",
    "output": "out",
    "rps": "rate",
    "time": "run-time",
    "url": "host",
    "vus": "users",
    "workers": "local",
}
"""What people, older Locusts and other tools call options, and what they are called here."""
