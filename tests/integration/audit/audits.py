"""Audits of targets that tests start: the embedded one, and weak ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from processes import PISWARM, ROOT

from master.audit.address import resolve
from master.audit.audit import AuditPlan, run_audit
from master.audit.budget import Limits
from master.audit.checks.catalogue import select
from master.audit.finding import AuditResult
from master.audit.site import Accounts

PASSWORD = "correct-horse-7"
ACCOUNTS = Accounts({"user": "user0001", "admin": "admin01", "node": "node0001"}, PASSWORD, {"user": "user0002"})
LIMITS = Limits(rate_per_s=1000.0, max_requests=3000, max_duration_s=120.0)


@contextmanager
def weak_target(*arguments: str) -> Iterator[str]:
    """The URL of the embedded target with one weakness; without arguments that of a target for each, below the weakness's name."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("weak_target.py")), *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PISWARM_TARGET_PASSWORD": PASSWORD},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        line = process.stdout.readline()
        assert line, f"the target ended with {process.wait()}"
        yield json.loads(line)["url"]
    finally:
        process.stdin.close()
        status = process.wait(20)
        process.stdout.close()
    assert status == 0


def audit(
    url: str, *, skip: Sequence[str] = (), only: Sequence[str] = (), limits: Limits = LIMITS, **changes: object
) -> AuditResult:
    """Audit a target of this machine."""
    plan = AuditPlan(resolve(url), select(only, skip), ACCOUNTS, limits, private=True, **changes)  # type: ignore[arg-type]
    return run_audit(plan, lambda *_: None, lambda _: None)


def ask(url: str, path: str, body: object, token: str = "") -> dict[str, Any]:
    """The answer of a POST of JSON to a target."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(url + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def piswarm_audit(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in `cwd`."""
    return subprocess.run(
        [*PISWARM, "audit", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PISWARM_TARGET_PASSWORD": PASSWORD},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
