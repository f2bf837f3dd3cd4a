"""The command `piswarm audit`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from master.errors import AbortError, ExitCode, InputError

if TYPE_CHECKING:
    from master.audit.finding import AuditResult, Severity

PASSWORD_VARIABLE = "PISWARM_TARGET_PASSWORD"  # noqa: S105  # the variable's name
# Those of the embedded target.
DEFAULT_ACCOUNTS = ("user=user0001", "user=user0002", "admin=admin01", "node=node0001")


class FailOn(StrEnum):
    """The least severity that makes the audit fail."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


EPILOG = (
    "Examples: [bold]piswarm audit http://127.0.0.1:8080 --private[/bold]\n\n"
    "[bold]piswarm audit https://staging.example.org --proof audit.token --sarif audit.sarif --skip dependencies[/bold]\n\n"
    "Exit status: 0 no finding as bad as --fail-on, 1 such a finding, 2 wrong input or no proof of ownership, "
    "3 a check could not be ended, 4 the target can't be reached."
)


def audit(
    url: Annotated[str, typer.Argument(metavar="URL", help="The target's base URL.", show_default=False)],
    *,
    private: Annotated[
        bool, typer.Option("--private", help="Say that the target on a loopback or private address is yours.")
    ] = False,
    proof: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Your secret token, made if the file is not there; the target has to serve what is then printed.",
        ),
    ] = None,
    only: Annotated[list[str] | None, typer.Option(metavar="CHECK", help="Only this check; may be repeated.")] = None,
    skip: Annotated[list[str] | None, typer.Option(metavar="CHECK", help="Not this check; may be repeated.")] = None,
    account: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE=NAME",
            help="Account of a role; may be repeated, and a role may have two, of which the second tries to read what is the "
            f"first one's. The password of all is that of {PASSWORD_VARIABLE}. "
            "[dim]\\[default: those of the embedded target][/dim]",
        ),
    ] = None,
    create: Annotated[
        bool,
        typer.Option(
            "--create",
            help="Let accounts that have nothing of their own make something; it is deleted where the target describes how.",
        ),
    ] = False,
    description: Annotated[
        str, typer.Option(metavar="PATH", help="Where the target serves its OpenAPI description.")
    ] = "/openapi.json",
    requirements: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Lock file of the target's own packages, for pip-audit.")
    ] = None,
    fail_on: Annotated[FailOn, typer.Option(help="Fail by a finding this bad or worse.")] = FailOn.MEDIUM,
    rate: Annotated[float, typer.Option(min=0.1, max=1000, help="Most requests a second.")] = 50,
    max_requests: Annotated[int, typer.Option(min=1, max=100_000, help="Most requests in all.")] = 3000,
    max_duration: Annotated[float, typer.Option(min=1, max=86_400, help="Longest time in seconds.")] = 300,
    ca_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Authorities to trust in place of the system's (PEM).")
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Go on where the certificate can't be verified; it is a finding.")
    ] = False,
    as_json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write piswarm/audit/1.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page.")] = None,
    sarif: Annotated[Path | None, typer.Option(metavar="FILE", help="Write SARIF 2.1.0.")] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write JUnit XML.")] = None,
) -> None:
    """Look for weaknesses of a target that is yours: real requests, bounded in rate, number and time."""
    from master.audit.address import resolve  # noqa: PLC0415
    from master.audit.audit import AuditPlan, run_audit  # noqa: PLC0415
    from master.audit.budget import Limits  # noqa: PLC0415
    from master.audit.checks.catalogue import select  # noqa: PLC0415
    from master.audit.finding import Severity  # noqa: PLC0415
    from master.audit.formats.text import check_line, summary_lines  # noqa: PLC0415
    from master.audit.site import Accounts  # noqa: PLC0415

    checks = select(only or (), skip or ())
    names, others = parse_accounts(account or DEFAULT_ACCOUNTS)
    accounts = Accounts(names, os.environ.get(PASSWORD_VARIABLE, ""), others)
    _require_places([as_json, html, sarif, junit])
    if requirements is not None and not requirements.is_file():
        raise InputError("there is no such file", file=requirements, hint="--requirements names a lock file.")
    if not description.startswith("/"):
        raise InputError(f"--description {description}: not a path", hint="Say it as /openapi.json.")
    plan = AuditPlan(
        resolve(url),
        checks,
        accounts,
        Limits(rate, max_requests, max_duration),
        private=private,
        proof=proof,
        description_path=description,
        ca_file=ca_file,
        insecure=insecure,
        requirements=requirements,
        create=create,
    )
    try:
        result = run_audit(
            plan,
            lambda number, count, check: typer.echo(check_line(number, count, check), err=True),
            lambda warning: typer.echo(f"piswarm: warning: {warning}", err=True),
        )
    except KeyboardInterrupt:
        raise AbortError("interrupted: the audit is not complete, and nothing was written") from None
    severity = Severity[fail_on.name]
    for line in summary_lines(result):
        typer.echo(line)
    _write(result, severity, as_json=as_json, html=html, sarif=sarif, junit=junit)
    raise typer.Exit(exit_code(result, severity))


def exit_code(result: AuditResult, fail_on: Severity) -> ExitCode:
    """FAIL goes before INVALID: what was found is there, whatever could not be looked at."""
    if result.fails(fail_on):
        return ExitCode.FAIL
    return ExitCode.INVALID if result.incomplete else ExitCode.PASS


def parse_accounts(given: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Accounts by role, and second accounts by role. Raises InputError."""
    found: dict[str, str] = {}
    others: dict[str, str] = {}
    for text in given:
        role, equals, name = text.partition("=")
        if not (role and equals and name):
            raise InputError(f"--account {text}: not ROLE=NAME", hint="Say it as --account admin=alice.")
        if name in {found.get(role), others.get(role)}:
            raise InputError(f"--account {text}: named twice", hint="Name two accounts, or one.")
        if role in others:
            raise InputError(f"--account: the role {role} has three accounts", hint="Name two at most for each role.")
        (others if role in found else found)[role] = name
    return found, others


def _require_places(files: Sequence[Path | None]) -> None:
    """Raise InputError before anything is sent for files that can't be written, or where one would take another's place."""
    named = [file for file in files if file is not None]
    for file in named:
        if not file.parent.is_dir() or file.is_dir():
            raise InputError("can't be written: no directory to put it into, or one itself", file=file)
        if file.exists() and not file.is_file():
            raise InputError("is a device or a pipe, and would be replaced", file=file, hint="Name a file.")
        if not os.access(file.parent, os.W_OK):
            raise InputError("can't be written: you may not write into its directory", file=file)
        if named.count(file) > 1:
            raise InputError("is named twice", file=file, hint="Name a file for each format.")


def _write(
    result: AuditResult,
    fail_on: Severity,
    *,
    as_json: Path | None,
    html: Path | None,
    sarif: Path | None,
    junit: Path | None,
) -> None:
    from master.audit.formats.document import to_json  # noqa: PLC0415
    from master.audit.formats.html import to_html  # noqa: PLC0415
    from master.audit.formats.junit import to_junit  # noqa: PLC0415
    from master.audit.formats.sarif import to_sarif  # noqa: PLC0415
    from worker.atomic_write import atomic_write  # noqa: PLC0415

    faults = []
    for file, make in (
        (as_json, to_json),
        (html, to_html),
        (sarif, to_sarif),
        (junit, lambda result: to_junit(result, fail_on)),
    ):
        if file is not None:
            try:
                atomic_write(file, make(result))
            except OSError as error:
                faults.append(f"{file}: can't be written: {error.strerror}")
    if faults:
        raise InputError("\n".join(faults), hint="What was found stands above; all else was written.")
