"""The audit finds each planted weakness, that one alone, and none in the embedded target."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from audits import ACCOUNTS, LIMITS, PASSWORD, ask, audit, weak_target
from certificates import Authority
from processes import Target

from master.audit.address import Reach, resolve
from master.audit.audit import AuditPlan, run_audit
from master.audit.budget import Limits
from master.audit.checks.catalogue import CHECKS, select
from master.audit.finding import Outcome

PLANTED = {
    "encryption": "encryption/secret-in-answer",
    "cors": "cors/foreign-origin-with-credentials",
    "cache-invalidation": "cache-invalidation/stored-private-answer",
    "authentication": "authentication/no-token",
    "authorization": "authorization/role-not-checked",
    "csrf": "csrf/cookie-for-other-sites",
    "hashing": "hashing/guessable-key",
    "randomness": "randomness/sequential",
    "audit-logging": "audit-logging/failed-sign-in",
    "error-messages": "error-messages/internals",
    "input-validation": "input-validation/server-error",
    "sql-injection": "sql-injection/error",
    "sql-injection-in-silence": "sql-injection/condition",
    "xss": "xss/reflected",
    "rate-limiting": "rate-limiting/sign-in",
    # More than one for some checks.
    "forged-token": "authentication/forged-token",
    "refresh-token": "authentication/refresh-token-as-access-token",
    "sign-out": "authentication/token-after-sign-out",
    "known-names": "error-messages/account-exists",
    "logged-passwords": "audit-logging/secret-in-log",
    "silent-denials": "audit-logging/denied-access",
    "star-origin": "cors/foreign-origin",
    "hash-in-answer": "hashing/hash-in-answer",
    "repeated": "randomness/repeated",
    "short": "randomness/too-short",
    "accepts-lists": "input-validation/wrong-type-accepted",
    "long-bodies": "input-validation/unbounded-body",
    "sql-sign-in": "sql-injection/sign-in",
    "password-spraying": "rate-limiting/password-spraying",
    "no-retry-after": "rate-limiting/retry-after",
    "named-server": "error-messages/software-version",
    "page-without-policy": "security-headers/content-security-policy",
    "page-in-frames": "security-headers/framing",
}
BY_THEMSELVES = (
    "authorization/object-of-another-account",
    "cache-invalidation/shared-answer",
    "dependencies/known-vulnerability",
    "encryption/plain-http",
    "security-headers/content-type-options",
    "security-headers/strict-transport-security",
    "tls/certificate",
    "tls/certificate-expires",
    "tls/old-protocol",
    "tls/short-key",
    "tls/weak-cipher",
)
"""Found by tests of their own."""
NOT_OF_HTTP = {"tls", "dependencies"}


@pytest.fixture(scope="module")
def weak_targets() -> Iterator[str]:
    """Targets with one weakness each, below the weakness's name."""
    with weak_target() as url:
        yield url


def test_a_weakness_is_planted_for_each_rule() -> None:
    """Each rule of each check has a planted weakness in this file."""
    assert sorted([*PLANTED.values(), *BY_THEMSELVES]) == sorted(rule.id for check in CHECKS for rule in check.rules)


def test_the_embedded_target_has_no_finding() -> None:
    """The embedded target has no finding, every check that applies comes to its end, and nothing is changed but sessions."""
    with Target(PISWARM_TARGET_PASSWORD=PASSWORD) as target:
        result = audit(target.url)
        counts = target.counts()
    assert result.findings == []
    changing = {route for method, route, status in counts if method not in {"GET", "HEAD", "OPTIONS"} and status < 300}
    assert changing == {"/auth/login", "/auth/logout"}
    assert {check.check for check in result.checks if check.outcome is Outcome.NOT_RUN} == NOT_OF_HTTP
    assert result.pass_rate == 1.0


def test_the_wrapper_alone_adds_no_finding(weak_targets: str) -> None:
    """The wrapper that plants weaknesses is none itself."""
    assert audit(f"{weak_targets}/none").findings == []


def test_a_target_without_nosniff_is_found_and_nothing_beside_it() -> None:
    """The server itself, which adds the header to all answers, is weak here."""
    with weak_target("security-headers") as url:
        result = audit(url)
    assert [finding.rule.id for finding in result.findings] == ["security-headers/content-type-options"]


@pytest.mark.parametrize("weakness", PLANTED)
def test_a_planted_weakness_is_found_and_none_beside_it(weak_targets: str, weakness: str) -> None:
    """The audit finds the planted weakness and nothing else, and shows no password or token."""
    result = audit(f"{weak_targets}/{weakness}")
    assert [finding.rule.id for finding in result.findings] == [PLANTED[weakness]]
    assert result.incomplete == []
    assert PASSWORD not in result.findings[0].evidence


def test_an_expired_certificate_is_found_and_none_beside_it(authority: Authority) -> None:
    """A certificate that has expired is the one finding of a target with TLS."""
    with weak_target("tls", str(authority.issue("127.0.0.1", ended=True))) as url:
        result = audit(url.replace("http:", "https:"), ca_file=authority.ca, insecure=True)
    assert [finding.rule.id for finding in result.findings] == ["tls/certificate"]


def test_a_certificate_that_can_be_verified_is_no_bad_finding(authority: Authority) -> None:
    """With its authority named, the certificate of one day is verified, and only about to expire."""
    with weak_target("tls", str(authority.issue("127.0.0.1"))) as url:
        result = audit(url.replace("http:", "https:"), ca_file=authority.ca)
    assert [finding.rule.id for finding in result.findings] == ["tls/certificate-expires"]


@pytest.mark.parametrize(
    ("weakness", "found"),
    [
        ("tls-old", "tls/old-protocol"),
        ("tls-anonymous", "tls/weak-cipher"),
        ("none", "security-headers/strict-transport-security"),
    ],
)
def test_a_weakness_of_tls_is_found_and_none_beside_it(authority: Authority, weakness: str, found: str) -> None:
    """What clients should no longer be offered is found, beside the certificate of one day."""
    with weak_target(weakness, str(authority.issue("127.0.0.1"))) as url:
        result = audit(url.replace("http:", "https:"), ca_file=authority.ca)
    assert {finding.rule.id for finding in result.findings} == {"tls/certificate-expires", found}


def test_a_short_key_is_found_and_that_it_keeps_clients_from_verifying_is_no_further_finding(
    authority: Authority,
) -> None:
    """An RSA key of 1024 bits is found, beside the certificate of one day, which is verified but for the key."""
    with weak_target("tls-short-key", str(authority.issue("127.0.0.1", rsa_bits=1024))) as url:
        result = audit(url.replace("http:", "https:"), ca_file=authority.ca, insecure=True)
    assert {finding.rule.id for finding in result.findings} == {"tls/certificate-expires", "tls/short-key"}


def test_an_answer_for_another_account_is_found(weak_targets: str) -> None:
    """A cache that forgets whose an answer is makes several checks fail; its own finds it."""
    (finding,) = audit(f"{weak_targets}/shared-cache", only=["cache-invalidation"]).findings
    assert finding.rule.id == "cache-invalidation/shared-answer"


def test_a_session_that_is_open_to_another_account_is_found_and_nothing_beside_it(weak_targets: str) -> None:
    """The audit makes a session as one account, and reads it as another of the same role."""
    (finding,) = audit(f"{weak_targets}/open-objects", create=True).findings
    assert finding.rule.id == "authorization/object-of-another-account"
    assert re.match(r"GET /sessions/\S+ → 200 as user0002; it is user0001's$", finding.evidence, re.MULTILINE)


def test_what_an_account_has_already_is_read_as_another_without_anything_being_made() -> None:
    """A session that user0001 has is tried as user0002: refused by the embedded target, found open in the weak one."""
    for weakness, expected in (("none", []), ("open-objects", ["authorization/object-of-another-account"])):
        with weak_target(weakness) as url:
            token = ask(url, "/auth/login", {"username": "user0001", "password": PASSWORD})["token"]
            made = ask(url, "/sessions", {"resolution": [800, 600]}, token)["id"]
            result = audit(url, only=["authorization"])
        assert [finding.rule.id for finding in result.findings] == expected
        assert all(made in finding.evidence for finding in result.findings)
        assert result.checks[0].reason == ""


def test_what_could_not_be_looked_at_is_said() -> None:
    """On a target where nobody has anything, and nothing may be made, the check passes by half, and says so."""
    with Target(PISWARM_TARGET_PASSWORD=PASSWORD) as target:
        (passed,) = audit(target.url, only=["authorization"]).checks
        (created,) = audit(target.url, only=["authorization"], create=True).checks
        counts = target.counts()
    assert (passed.outcome, created.outcome, created.reason) == (Outcome.PASSED, Outcome.PASSED, "")
    assert "with --create the audit makes something" in passed.reason
    assert counts["POST", "/sessions", 201] == 1


def test_what_the_audit_has_made_is_deleted_where_the_target_describes_how() -> None:
    """With a node that has room, an RDP server is made beside the session, and deleted when it was tried."""
    with Target(PISWARM_TARGET_PASSWORD=PASSWORD) as target:
        idle = {"cpu_percent": 1.0, "memory_percent": 10.0, "temperature_c": 40.0}
        hardware = {"name": "roomy", "model": "Raspberry Pi 5", "cpu_count": 4, "memory_mb": 8192, "disk_mb": 65536}
        token = target.sign_in("node0002", PASSWORD)
        assert target.ask("POST", "/nodes", hardware, token).status == 201
        assert target.ask("POST", "/nodes/roomy/heartbeat", idle, token).status == 200
        (checked,) = audit(target.url, only=["authorization"], create=True).checks
        left = target.ask("GET", "/rdp/servers", token=target.sign_in("user0001", PASSWORD)).json
        counts = target.counts()
    assert (checked.outcome, checked.reason) == (Outcome.PASSED, "")
    assert counts["POST", "/rdp/servers", 201] == counts["DELETE", "/rdp/servers/[id]", 200] == 1
    assert [server for servers in left.values() if isinstance(servers, list) for server in servers] == []


def test_passwords_in_the_clear_are_found_beyond_loopback() -> None:
    """Plain HTTP is a finding as soon as the address is not this machine's own."""
    with Target(PISWARM_TARGET_PASSWORD=PASSWORD) as target:
        address = replace(resolve(target.url), reach=Reach.PRIVATE)
        plan = AuditPlan(address, select(["encryption"], []), ACCOUNTS, LIMITS, private=True)
        (finding,) = run_audit(plan, lambda *_: None, lambda _: None).findings
    assert finding.rule.id == "encryption/plain-http"


def test_known_vulnerabilities_of_dependencies_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What pip-audit reports of the lock file is the one finding; a script writes a report of its form, as it needs the index."""
    report = {
        "dependencies": [
            {
                "name": "jinja2",
                "version": "2.4.1",
                "vulns": [{"id": "PYSEC-2019-217", "fix_versions": ["2.10.1"], "aliases": [], "description": ""}],
            },
            {"name": "idna", "version": "3.10", "vulns": []},
        ],
        "fixes": [],
    }
    command = tmp_path / "pip-audit"
    command.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(report)}\nEND\nexit 1\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    lock = tmp_path / "requirements.txt"
    lock.write_text("jinja2==2.4.1\nidna==3.10\n")
    with Target(PISWARM_TARGET_PASSWORD=PASSWORD) as target:
        (finding,) = audit(target.url, requirements=lock).findings
    assert finding.rule.id == "dependencies/known-vulnerability"
    assert finding.evidence == "jinja2 2.4.1: PYSEC-2019-217 (fixed in 2.10.1)"


def test_no_more_requests_are_sent_than_allowed() -> None:
    """At the limit of requests the audit ends, and says which checks it could not end."""
    with Target(PISWARM_TARGET_PASSWORD=PASSWORD) as target:
        result = audit(target.url, limits=Limits(LIMITS.rate_per_s, 40, 120.0))
        sent = sum(target.counts().values())
    assert result.requests == 40
    assert sent == 39  # the one for /metrics is not among these counts
    assert {check.check for check in result.incomplete} >= {"authentication", "xss"}
