"""How one signs in to the target: found in its description, by the names that are usual."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from master.audit.answer import Answer
from master.audit.openapi import JSON, Operation

_PATH = re.compile(r"/(log-?in|sign-?in|tokens?|sessions?|authenticate)/?$", re.IGNORECASE)
_NAMES = ("username", "user", "email", "login", "name", "account")
_PASSWORDS = ("password", "passwd", "secret")
_TOKENS = ("token", "access_token", "accessToken", "id_token", "jwt")
_REFRESH_TOKENS = ("refresh_token", "refreshToken")
_BEARABLE = re.compile(r"[!-~]{1,16384}")
"""What a token has to be made of to be sent in a header."""


@dataclass(frozen=True, slots=True)
class SignInOperation:
    """The operation that takes a name and a password, and the names of these two fields."""

    operation: Operation
    name_field: str
    password_field: str

    def body(self, name: Any, password: Any) -> bytes:
        """What is sent."""
        return json.dumps({self.name_field: name, self.password_field: password}).encode()


@dataclass(frozen=True, slots=True)
class Session:
    """A sign-in that worked."""

    role: str
    account: str
    token: str
    refresh_token: str
    answer: Answer


def find_sign_in(operations: Sequence[Operation]) -> SignInOperation | None:
    """The sign-in; None where no operation looks like one."""
    for operation in operations:
        fields = operation.properties()
        name = next((field for field in _NAMES if field in fields), None)
        password = next((field for field in _PASSWORDS if field in fields), None)
        usual = operation.method == "POST" and operation.body_type == JSON and _PATH.search(operation.path)
        if usual and name is not None and password is not None:
            return SignInOperation(operation, name, password)
    return None


def find_sign_out(operations: Sequence[Operation]) -> Operation | None:
    """The operation that ends a session."""
    usual = re.compile(r"/(log-?out|sign-?out|revoke)/?$", re.IGNORECASE)
    return next(
        (each for each in operations if each.method == "POST" and each.secured and usual.search(each.path)), None
    )


def read_session(role: str, account: str, answer: Answer) -> Session | None:
    """The session in the answer to a sign-in; None where there is none, or none whose token can be sent."""
    if not answer.is_success:
        return None
    content = answer.json
    token = _first(content, _TOKENS)
    return Session(role, account, token, _first(content, _REFRESH_TOKENS), answer) if token else None


def _first(content: Any, names: Sequence[str]) -> str:
    fields: Mapping[str, Any] = content if isinstance(content, Mapping) else {}
    texts = (fields[name] for name in names if isinstance(fields.get(name), str))
    return next((text for text in texts if _BEARABLE.fullmatch(text)), "")
