"""Proof that the target is the operator's: nothing but the request for the proof is sent without one.

Theory of operation: the operator keeps a secret token; the target serves its hash together with the target's origin. Who reads what
a target serves can't make a token of it, so the proof of one operator is of no use to another, nor for another target.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path
from typing import Protocol

from master.audit.address import Address, Reach
from master.audit.answer import Answer
from master.errors import InputError

PROOF_PATH = "/.well-known/piswarm-audit.txt"
_MIN_TOKEN_CHARACTERS = 32
_MAX_TOKEN_BYTES = 4096


class Asks(Protocol):
    """Sends one request."""

    def ask(self, method: str, path: str) -> Answer:
        """The answer."""


def require_claim(address: Address, *, private: bool, proof: Path | None) -> None:
    """Raise InputError where the operator does not even claim what a request may be sent for."""
    if private and proof is not None:
        raise InputError("--private and --proof exclude each other", hint="Name the one that holds for this target.")
    if proof is not None:
        return
    where = f"{address.host} is at {address.ip}, a {address.reach} address"
    if address.reach is Reach.PUBLIC:
        raise InputError(
            f"{where}: its ownership must be proved",
            hint=f"Say --proof FILE, and serve what it prints at {address.origin}{PROOF_PATH}. Nothing was sent.",
        )
    if not private:
        raise InputError(
            f"{where}: say that it is yours",
            hint="--private says that the target on a loopback or private address is yours. Nothing was sent.",
        )


def expected_text(token: str, origin: str) -> str:
    """What the target at `origin` serves to prove that the owner of `token` may audit it."""
    return "piswarm-audit=" + hashlib.sha256(f"{token}@{origin}".encode()).hexdigest()


def read_token(file: Path, address: Address) -> str:
    """The operator's token. Raises InputError, also after making a new one where there is no file."""
    try:
        # A pipe that nobody writes to is not waited for.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise InputError("is not a file", file=file, hint="Name a file that is not there, and a token is made.")
            content = opened.read(_MAX_TOKEN_BYTES + 1)
    except FileNotFoundError:
        token = secrets.token_urlsafe(32)
        _write(file, token)
        raise InputError(
            f"{file} was not there: a new token was written into it",
            hint=f"Serve this one line at {address.origin}{PROOF_PATH}, then say the same again:\n"
            f"{expected_text(token, address.origin)}",
        ) from None
    except OSError as error:
        raise InputError(f"can't read the token: {error.strerror}", file=file) from None
    if mode & 0o077:
        raise InputError("others can read the token", file=file, hint=f"chmod 600 {file}")
    token = content.decode("ascii", "replace").strip()
    if len(token) < _MIN_TOKEN_CHARACTERS or len(content) > _MAX_TOKEN_BYTES:
        raise InputError(
            f"a token has {_MIN_TOKEN_CHARACTERS} characters or more, on one line",
            file=file,
            hint="Name a file that is not there, and a token is made.",
        )
    return token


def require_proof(client: Asks, token: str, address: Address) -> None:
    """Raise InputError unless the target serves the proof. Sends one request."""
    wanted = expected_text(token, address.origin)
    answer = client.ask("GET", PROOF_PATH)
    served = answer.body.strip() if answer.status == 200 else b""
    if not hmac.compare_digest(served, wanted.encode()):
        raise InputError(
            f"{address.origin}{PROOF_PATH} does not prove that the target is yours (status {answer.status})",
            hint=f"Serve this one line there; nothing else was sent:\n{wanted}",
        )


def _write(file: Path, token: str) -> None:
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise InputError(f"can't write a token: {error.strerror}", file=file) from None
    with os.fdopen(descriptor, "w", encoding="ascii") as opened:
        opened.write(token + "\n")
