"""Runs the checks against one target."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from master.audit.address import Address
from master.audit.budget import BudgetError, Limits
from master.audit.checks.check import Check
from master.audit.client import Client, UnreachableError, UntrustedError
from master.audit.finding import AuditResult, CheckResult, Finding, Outcome
from master.audit.openapi import parse_operations
from master.audit.ownership import read_token, require_claim, require_proof
from master.audit.site import Accounts, NotApplicableError, Site
from master.errors import AbortError
from worker.printable import printable_lines

DESCRIPTION_PATH = "/openapi.json"
_MAX_EVIDENCE_CHARACTERS = 2000

Progress = Callable[[int, int, CheckResult], None]
"""Told after each check: its number from 1, how many there are, and what became of it."""


@dataclass(frozen=True, slots=True)
class AuditPlan:
    """What is to be audited, and how."""

    address: Address
    checks: Sequence[Check]
    accounts: Accounts
    limits: Limits
    private: bool = False
    proof: Path | None = None
    description_path: str = DESCRIPTION_PATH
    ca_file: Path | None = None
    insecure: bool = False
    requirements: Path | None = None
    create: bool = False
    """Whether checks may make something that the target keeps."""


def run_audit(plan: AuditPlan, progress: Progress, warn: Callable[[str], None]) -> AuditResult:
    """Run the checks one after another.

    Raises InputError before anything is sent without a claim to the target, or after the request for a proof that fails;
    AbortError where the target can't be reached at all.
    """
    require_claim(plan.address, private=plan.private, proof=plan.proof)
    token = None if plan.proof is None else read_token(plan.proof, plan.address)
    started_s, started_at = time.monotonic(), datetime.now().astimezone()
    with Client(plan.address, plan.limits, ca_file=plan.ca_file, verify=not plan.insecure) as client:
        try:
            if token is not None:
                require_proof(client, token, plan.address)
            site = _explore(client, plan, warn)
        except UntrustedError as error:
            raise AbortError(
                f"the certificate of {plan.address.origin} can't be verified: {error}",
                hint="Name its authority with --ca-file, or say --insecure to audit it as it is.",
            ) from None
        except BudgetError as error:
            raise AbortError(f"{error} before the first check", hint="Allow more.") from None
        except UnreachableError as error:
            raise AbortError(f"{plan.address.origin} can't be audited: {error}", hint="Is the target up?") from None
        results = []
        for number, check in enumerate(plan.checks, 1):
            results.append(_run_check(check, site))
            progress(number, len(plan.checks), results[-1])
        return AuditResult(
            plan.address.origin + plan.address.base_path,
            plan.address.ip,
            started_at.isoformat(timespec="seconds"),
            time.monotonic() - started_s,
            client.budget.requests,
            tuple(results),
            tuple(rule for check in plan.checks for rule in check.rules),
        )


def _explore(client: Client, plan: AuditPlan, warn: Callable[[str], None]) -> Site:
    """Read the description, and sign the accounts in."""
    description = client.ask("GET", plan.description_path).json
    operations = parse_operations(description)
    site = Site(client, operations, plan.accounts, plan.requirements, description, plan.create)
    if not operations:
        warn(f"{plan.description_path} describes no operation: checks that need one are not run")
    if not plan.accounts.password:
        warn("no password of the accounts is given: checks that need one are not run")
    elif failed := site.open_sessions():
        warn(f"could not sign in as {', '.join(failed)}: what needs these accounts is not looked at")
    return site


def _run_check(check: Check, site: Site) -> CheckResult:
    started_s, requests = time.monotonic(), site.client.budget.requests
    found: list[Finding] = []
    outcome, reason = Outcome.PASSED, ""
    site.remarks.clear()
    try:
        for finding in check.run(site):
            found.append(finding)  # noqa: PERF402  # what is found before an error counts
        reason = "; ".join(site.remarks)
    except NotApplicableError as error:
        outcome, reason = Outcome.NOT_RUN, str(error)
    except (BudgetError, UnreachableError) as error:
        outcome, reason = Outcome.INCOMPLETE, str(error)
    if found and outcome is not Outcome.INCOMPLETE:
        outcome = Outcome.FAILED
    findings = tuple(Finding(finding.rule, presentable(finding.evidence, site.secret_texts)) for finding in found)
    sent, took_s = site.client.budget.requests - requests, time.monotonic() - started_s
    return CheckResult(check.id, check.title, outcome, findings, sent, took_s, presentable(reason, site.secret_texts))


def presentable(text: str, secrets: Sequence[str]) -> str:
    """`text` without secrets, without what a terminal obeys, and not longer than a report bears."""
    # The longest first: one secret may be a part of another.
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return printable_lines(text)[:_MAX_EVIDENCE_CHARACTERS]
