"""The target as checks see it: its operations, the accounts to use, and the answers that several checks look at."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from master.audit.address import Address
from master.audit.answer import Answer
from master.audit.client import Client
from master.audit.openapi import JSON, Operation
from master.audit.sign_in import Session, SignInOperation, find_sign_in, find_sign_out, read_session

_MAX_READS = 100
_MIN_TOKEN_CHARACTERS = 8
ABSENT = "no-such-piswarm-audit"
"""In place of an identifier: nothing is to be there."""


class NotApplicableError(Exception):
    """A check has nothing to look at in this target; says what it lacks."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """Accounts of the target by role, with their one password; no password: nobody signs in.

    `others` are second accounts of roles, which try to read what is the first ones'.
    """

    names: Mapping[str, str]
    password: str
    others: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Read:
    """A GET that needs no parameter, asked by an account that may, and its answer."""

    operation: Operation
    answer: Answer
    signed_in: bool


@dataclass
class Site:
    """What a check is given."""

    client: Client
    operations: Sequence[Operation]
    accounts: Accounts
    requirements: Path | None = None
    """The lock file of the target's own dependencies."""
    description: Any = None
    """The OpenAPI description as it came."""
    create: bool = False
    """Whether checks may make something that the target keeps."""
    sessions: dict[str, Session] = field(default_factory=dict)
    other_sessions: dict[str, Session] = field(default_factory=dict)
    """Of the second accounts."""
    remarks: list[str] = field(default_factory=list)
    """What a check that ended could not look at."""
    _given_tokens: set[str] = field(default_factory=set)
    """Of all sign-ins that were let in, also where none should have been."""
    _reads: list[Read] | None = None

    @property
    def address(self) -> Address:
        """Where the target is."""
        return self.client.address

    @property
    def secret_texts(self) -> list[str]:
        """What must not be in a report: the password, and the tokens."""
        # Of a target that gives out "1", not every 1 is one.
        tokens = (text for text in self._given_tokens if len(text) >= _MIN_TOKEN_CHARACTERS)
        return [text for text in (self.accounts.password, *tokens) if text]

    def open_sessions(self) -> list[str]:
        """Sign in each account; those that could not, and what they were answered."""
        if not self.accounts.password or self.sign_in is None:
            return [*self.accounts.names.values(), *self.accounts.others.values()]
        failed = []
        for names, sessions in ((self.accounts.names, self.sessions), (self.accounts.others, self.other_sessions)):
            for role, name in names.items():
                answer = self.try_sign_in(name, self.accounts.password)
                session = read_session(role, name, answer)
                if session is None:
                    wait = answer.header("retry-after")
                    said = f"status {answer.status}" + (f", Retry-After {wait}" if wait else "")
                    failed.append(f"{name} ({role}; {said})")
                else:
                    sessions[role] = session
        return failed

    def new_session(self, role: str, name: str) -> Session | None:
        """A further session of an account."""
        return read_session(role, name, self.try_sign_in(name, self.accounts.password))

    def try_sign_in(self, name: str, password: str, *, obey_429: bool = True) -> Answer:
        """The answer to a sign-in."""
        operation = self.require_sign_in()
        body, headers = operation.body(name, password), {"Content-Type": JSON}
        answer = self.client.ask("POST", operation.operation.path_with(""), body, headers, obey_429=obey_429)
        if (session := read_session("", name, answer)) is not None:
            self._given_tokens |= {session.token, session.refresh_token}
        return answer

    @property
    def sign_in(self) -> SignInOperation | None:
        """How one signs in."""
        return find_sign_in(self.operations)

    @property
    def sign_out(self) -> Operation | None:
        """How one signs out."""
        return find_sign_out(self.operations)

    def require_sign_in(self) -> SignInOperation:
        """How one signs in. Raises NotApplicableError."""
        found = self.sign_in
        if found is None:
            raise NotApplicableError("the target describes no sign-in")
        return found

    def require_session(self) -> Session:
        """Any session. Raises NotApplicableError."""
        if not self.sessions:
            raise NotApplicableError("no account is signed in: give the password of the accounts in its variable")
        return next(iter(self.sessions.values()))

    def require_operations(self) -> Sequence[Operation]:
        """All operations. Raises NotApplicableError where none is described."""
        if not self.operations:
            raise NotApplicableError("the target serves no OpenAPI description")
        return self.operations

    def session_for(self, operation: Operation) -> Session | None:
        """A session that may call `operation`."""
        if operation.roles:
            return next((self.sessions[role] for role in operation.roles if role in self.sessions), None)
        return next(iter(self.sessions.values()), None)

    def ask(
        self,
        operation: Operation,
        *,
        session: Session | None = None,
        value: str = ABSENT,
        query: str = "",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Call an operation, with `value` for the variable parts of its path."""
        sent = dict(headers or {})
        if session is not None:
            sent.setdefault("Authorization", f"Bearer {session.token}")
        if body is not None and operation.body_type is not None:
            sent.setdefault("Content-Type", operation.body_type)
        path = operation.path_with(value) + (f"?{query}" if query else "")
        return self.client.ask(operation.method, path, body, sent)

    def reads(self) -> list[Read]:
        """The answers of all GETs that need no parameter: each is asked once for all checks."""
        if self._reads is None:
            found = []
            for operation in [each for each in self.operations if each.is_plain_read][:_MAX_READS]:
                session = self.session_for(operation) if operation.secured else None
                if session is not None or not operation.secured:
                    found.append(Read(operation, self.ask(operation, session=session), session is not None))
            self._reads = found
        if not self._reads:
            return [Read(Operation("GET", "/", (), None, {}, False, ()), self.client.ask("GET", "/"), False)]
        return self._reads

    def private_read(self) -> Operation:
        """A GET for signed-in accounts of any role that is answered with 200. Raises NotApplicableError."""
        self.require_session()
        for read in self.reads():
            if read.signed_in and not read.operation.roles and read.answer.is_success:
                return read.operation
        raise NotApplicableError("no operation is described that any signed-in account can read")


def invented_name() -> str:
    """The name of no account: what is tried with it locks nobody out."""
    return f"piswarm-audit-{secrets.token_hex(6)}"
