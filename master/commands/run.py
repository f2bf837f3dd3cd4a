"""`piswarm run`."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from master.commands.output import show_lines, show_result, warn
from master.commands.run_options.collector import check_collector
from master.commands.run_options.command import given_words
from master.errors import InputError
from master.services.command import DEFAULT_SERVICES

if TYPE_CHECKING:
    from master.project.process.waiting_process import WaitingProcess
    from master.run.real_nodes.roster import Roster

DEFAULT_STATE = Path(".piswarm")
"""Where `fab enroll` puts keys, and where a run on real nodes looks for them."""
EPILOG = (
    "Examples: [bold]piswarm run configs/scenarios/swarm.yml --local 20 --users 40 --duration 15s[/bold]\n\n"
    "[bold]piswarm run -f locustfile.py -u 100 -r 10 -t 60s -H http://10.0.0.5:8080 --local 4[/bold]\n\n"
    "[bold]piswarm run configs/scenarios/streamgate-spike.yml --local 10 --rate 200/s --max-users 80 --duration 30s[/bold]\n\n"
    "Exit status: 0 PASS, 1 FAIL (a threshold broke), 2 wrong input, 3 INVALID (the generator was not fit to measure), "
    "4 ABORTED. Options have environment variables, such as PISWARM_RUN_METRICS_PORT: `piswarm env variables`; an option wins."
)


def run(
    context: typer.Context,
    scenario: Annotated[
        Path | None, typer.Argument(help="The scenario file (YAML); or, in its place, -f.", show_default=False)
    ] = None,
    *,
    locustfile: Annotated[
        list[str] | None,
        typer.Option(
            "--locustfile",
            "-f",
            metavar="FILE",
            allow_from_autoenv=False,
            show_default=False,
            help="Run this locustfile, or those of this folder, without a scenario file; again for more of them. "
            "Then [bold]UserClass…[/bold] chooses classes, and options of the locustfile's own can be given, too.",
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="URL to load in place of the scenario's; `embedded` starts the one shipped.")
    ] = None,
    local: Annotated[
        int | None,
        typer.Option(
            help="Simulate this many nodes on this machine. [dim]\\[default: as many as the scenario expects][/dim]"
        ),
    ] = None,
    inventory: Annotated[
        Path | None,
        typer.Option(help="Run on the real nodes of this inventory: the hosts of its group `workers`, once deployed."),
    ] = None,
    limit: Annotated[
        str | None,
        typer.Option(help="Only these nodes of the inventory, as for Ansible: 'pi[001:010]', 'workers:!rack_a'."),
    ] = None,
    state: Annotated[
        Path, typer.Option(help="The directory with the keys of the controller and its nodes, made by `fab enroll`.")
    ] = DEFAULT_STATE,
    users: Annotated[
        int | None,
        typer.Option(
            "--users",
            "-u",
            help="Scale every stage so that the largest has this many users; with -f, start so many. "
            "[dim]\\[default with -f: 1][/dim]",
        ),
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option(
            metavar="RATE",
            help="Scale every stage of a load of arrivals so that the largest `rate` is this one, e.g. 500/s; spikes and "
            "sine go along, and may be above it.",
        ),
    ] = None,
    max_users: Annotated[
        int | None,
        typer.Option(help="With a load of arrivals: at most this many users are busy; other stages in proportion."),
    ] = None,
    duration: Annotated[
        str | None, typer.Option(help="Shrink or stretch the holds so that the load takes this long, e.g. 90s.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Run directory; must be empty or new. [dim]\\[default: a new one in runs/][/dim]"),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(
            "--host", "-H", metavar="URL", allow_from_autoenv=False, help="The same as --target, by Locust's name."
        ),
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Address that the master listens on. [dim]\\[default: 127.0.0.1; with --inventory its "
            "piswarm_controller][/dim]",
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="Port that the master listens on; 0 takes a free one. [dim]\\[default: 0; with --inventory that of its "
            "piswarm_controller][/dim]",
        ),
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="Serve the run's metrics for Prometheus on this port of loopback; 0 takes a free one.",
        ),
    ] = None,
    web: Annotated[
        bool,
        typer.Option(
            "--web",
            help="Show the run as a page in the browser while it is on; `piswarm serve` does so afterwards, too.",
        ),
    ] = False,
    web_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of loopback of that page; 0 takes a free one.")
    ] = 9640,
    metrics_otlp: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Send them to this OpenTelemetry collector (OTLP over HTTP), e.g. http://127.0.0.1:4318.",
        ),
    ] = None,
    separate: Annotated[
        bool,
        typer.Option(
            "--separate",
            help="Give each simulated node processes of its own, as on a Pi: an agent, and a worker that it keeps alive "
            "(about 100 MB a node).",
        ),
    ] = False,
    summary: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help='Add the outcome in Markdown to the end of this file, for CI pages: "$GITHUB_STEP_SUMMARY".',
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check", allow_from_autoenv=False, help="Only say whether all of this could be started; start nothing."
        ),
    ] = False,
    require: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SERVICE",
            help="Also require this service to be healthy before and during the load; again for more of them.",
        ),
    ] = None,
    services: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder with the files of services that a scenario may require.")
    ] = DEFAULT_SERVICES,
    baseline: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Compare the run with this one when it ends, and judge thresholds such as "
            "[bold]p95 not worse than baseline by 10 %[/bold].",
        ),
    ] = None,
) -> None:
    """Run a scenario, or a Locust project as it is (-f), and judge it. Leaves result.json, report.html, junit.xml and run.db in the run directory."""
    target = _resolve_target(target, host)
    if inventory is not None and (local is not None or separate):
        raise InputError(
            f"--inventory and {'--separate' if local is None else '--local'} exclude each other",
            hint="Real nodes, or simulated ones: name one of the two.",
        )
    _refuse_unused(inventory, limit, state)
    if port and port == metrics_port:
        raise InputError(f"--port and --metrics-port are both {port}", hint="Give each a port of its own.")
    if metrics_otlp is not None:
        check_collector("--metrics-otlp", metrics_otlp)
    # Before the standard library is patched: Ansible, which may read the inventory, looks closely at it.
    roster = None if inventory is None else _read_roster(inventory, limit, state)
    # As Locust does when it is imported: no other command needs it.
    from gevent import monkey  # noqa: PLC0415

    monkey.patch_all()
    with ExitStack() as ending:
        waiting = _start_project(scenario)
        if waiting is not None:
            ending.callback(waiting.close)
        import locust  # noqa: F401, PLC0415

        from master.commands.run_options.extra_files import ExtraFiles  # noqa: PLC0415
        from master.project.command_loading import load_opened, open_project  # noqa: PLC0415
        from master.project.scenario_loading import load_for_run  # noqa: PLC0415
        from master.run.run import execute  # noqa: PLC0415
        from master.run.start.baseline import plan_baseline  # noqa: PLC0415
        from master.run.start.new_run import RunPlan  # noqa: PLC0415
        from master.scenario import Overrides  # noqa: PLC0415
        from master.scenario.units import parse_duration, parse_rate  # noqa: PLC0415
        from master.services.required import resolve_required  # noqa: PLC0415

        duration_s = _parse("--duration", duration, parse_duration, "Say it as 90s, 20m or 1h30m.")
        rate_per_s = _parse("--rate", rate, parse_rate, "Say it as 500/s or 30/min.")
        nodes = local if roster is None else len(roster.members)
        overrides = Overrides(
            target=target,
            users=users,
            rate_per_s=rate_per_s,
            max_users=max_users,
            duration_s=duration_s,
            nodes=nodes,
            require=tuple(require or ()),
        )
        given = given_words(context)
        if scenario is not None:
            read = load_for_run(
                scenario,
                overrides,
                real_nodes=roster is not None,
                words=given.words,
                options=given.options,
                waiting=waiting,
            )
        else:
            opened = open_project(locustfile or [], given.words, real_nodes=roster is not None, waiting=waiting)
            ending.callback(opened.close)
            if opened.command.lists_classes:
                show_lines(opened.facts.by_name)
                return
            read = load_opened(opened, overrides, given.options, real_nodes=roster is not None)
        ending.callback(read.close)
        required = resolve_required(scenario, read.scenario, services, os.environ, read.mentions)
        files = ExtraFiles.of(read.command, read.scenario, summary)
        planned, unjudged = plan_baseline(baseline, read.scenario, simulated=roster is None)
        warnings = [*read.warnings, *unjudged]
        warn(warnings)
        if check:
            show_lines([f"{read.scenario.name} can be started"])
            return
        plan = RunPlan(
            scenario=planned,
            out=out,
            started_at=datetime.now().astimezone(),
            host=listen,
            port=port,
            separate_processes=separate,
            roster=roster,
            metrics_port=metrics_port,
            web_port=web_port if web else None,
            metrics_otlp=metrics_otlp,
            variables=read.variables,
            services=required,
            warnings=warnings,
            project=read.project,
            baseline=baseline,
        )
        show_result(
            plan.scenario.name,
            lambda view, show: execute(plan, view, show),
            write_more=files.write,
            on_stderr=files.json,
        )


def _parse(option: str, text: str | None, parse: Callable[[object], float], hint: str) -> float | None:
    """The quantity that an option was given. Raises InputError where it is none."""
    try:
        return None if text is None else parse(text)
    except ValueError as error:
        raise InputError(f"{option}: {error}", hint=hint) from None


def _start_project(scenario: Path | None) -> WaitingProcess | None:
    """The process of the project that this run seems to bring, so that it is up when the controller is. To be closed."""
    from master.project.process.waiting_process import WaitingProcess, names_project  # noqa: PLC0415

    return WaitingProcess() if scenario is None or names_project(scenario) else None


def _resolve_target(target: str | None, host: str | None) -> str | None:
    """The target that was named by either option."""
    if host is None:
        return target
    if target is not None:
        raise InputError(
            "--target and --host are the same: name one of the two", hint="--host is Locust's name for it."
        )
    if "://" not in host:
        raise InputError(
            f"--host {host}: not a URL; --host is Locust's name for --target, as in --host http://10.0.0.5:8080",
            hint="For the address that the master listens on, say --listen.",
        )
    return host


def _refuse_unused(inventory: Path | None, limit: str | None, state: Path) -> None:
    """Raise InputError for an option of real nodes in a run on simulated ones, which would be ignored."""
    if inventory is None and (limit is not None or state != DEFAULT_STATE):
        option = "--limit" if limit is not None else "--state"
        raise InputError(
            f"{option} is for real nodes, and without --inventory nodes are simulated",
            hint="Name the inventory with --inventory, or leave the option out.",
        )


def _read_roster(inventory: Path, limit: str | None, state: Path) -> Roster:
    from master.run.real_nodes.roster import read_roster  # noqa: PLC0415

    return read_roster(inventory, limit, state)
