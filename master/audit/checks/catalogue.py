"""All checks, in the order in which they run."""

from __future__ import annotations

from collections.abc import Sequence

from master.audit.checks.access.audit_logging import AuditLoggingCheck
from master.audit.checks.access.authentication import AuthenticationCheck
from master.audit.checks.access.authorization import AuthorizationCheck
from master.audit.checks.access.csrf import CsrfCheck
from master.audit.checks.access.rate_limiting import RateLimitingCheck
from master.audit.checks.answers.cache_invalidation import CacheInvalidationCheck
from master.audit.checks.answers.cors import CorsCheck
from master.audit.checks.answers.error_messages import ErrorMessagesCheck
from master.audit.checks.answers.security_headers import SecurityHeadersCheck
from master.audit.checks.check import Check
from master.audit.checks.cryptography.dependencies import DependenciesCheck
from master.audit.checks.cryptography.encryption import EncryptionCheck
from master.audit.checks.cryptography.hashing import HashingCheck
from master.audit.checks.cryptography.randomness import RandomnessCheck
from master.audit.checks.cryptography.tls import TlsCheck
from master.audit.checks.inputs.input_validation import InputValidationCheck
from master.audit.checks.inputs.sql_injection import SqlInjectionCheck
from master.audit.checks.inputs.xss import XssCheck
from master.errors import InputError
from master.scenario.suggest import did_you_mean

CHECKS: tuple[Check, ...] = (
    TlsCheck(),
    EncryptionCheck(),
    SecurityHeadersCheck(),
    CorsCheck(),
    CacheInvalidationCheck(),
    AuthenticationCheck(),
    AuthorizationCheck(),
    CsrfCheck(),
    HashingCheck(),
    RandomnessCheck(),
    AuditLoggingCheck(),
    ErrorMessagesCheck(),
    InputValidationCheck(),
    SqlInjectionCheck(),
    XssCheck(),
    # It provokes refusals, which none of the others is to meet.
    RateLimitingCheck(),
    DependenciesCheck(),
)


def select(only: Sequence[str], skip: Sequence[str]) -> list[Check]:
    """The checks that are asked for. Raises InputError for a name that is none."""
    known = [check.id for check in CHECKS]
    for name in (*only, *skip):
        if name not in known:
            raise InputError(
                f"there is no check {name}{did_you_mean(name, known)}", hint=f"Checks: {', '.join(known)}."
            )
    selected = [check for check in CHECKS if (not only or check.id in only) and check.id not in skip]
    if not selected:
        raise InputError("--only and --skip leave no check", hint=f"Checks: {', '.join(known)}.")
    return selected
