"""What can go wrong with one host, each with what to do about it. A host that fails never stops the others by itself."""

from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    """Why a host failed."""

    UNREACHABLE = "unreachable"
    HOST_KEY = "host key"
    AUTH = "authentication failed"
    TIMEOUT = "timeout"
    CONNECTION_LOST = "connection lost"
    COMMAND = "command failed"
    OUTPUT = "too much output"
    SUDO = "sudo refused"
    DISK = "disk full"
    NOT_PREPARED = "not prepared"
    LOCKED = "locked"
    CORRUPTED = "corrupted in transit"
    UNHEALTHY = "unhealthy"
    INTERRUPTED = "interrupted"
    SKIPPED = "not started"
    INTERNAL = "internal error"


class HostFailure(Exception):  # noqa: N818  # it is the failure of a host, shown in a table; not an error of this program
    """A host failed. `message` says what was seen, `hint` what to do."""

    def __init__(self, cause: Cause, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.cause = cause
        self.message = message
        self.hint = hint or HINTS[cause]


HINTS = {
    Cause.UNREACHABLE: "is it on, and on the network? then run the same again",
    Cause.HOST_KEY: "make sure that it is the right machine, then: fab enroll --limit HOST",
    Cause.AUTH: "check ansible_user and ansible_ssh_private_key_file in the inventory",
    Cause.TIMEOUT: "run the same again; give it longer with --deadline",
    Cause.CONNECTION_LOST: "run the same again: it goes on where it was",
    Cause.COMMAND: "see the message; then run the same again",
    Cause.OUTPUT: "ask for less, such as fewer --lines; else see on the host what says so much",
    Cause.SUDO: "let the deploy user run systemctl for the unit: fab provision --limit HOST",
    Cause.DISK: "make room on the host, then run the same again",
    Cause.NOT_PREPARED: "prepare the host: fab provision --limit HOST",
    Cause.LOCKED: "wait for the other deployment, or until its lock expires",
    Cause.CORRUPTED: "run the same again; if it stays, check the host's SD card",
    Cause.UNHEALTHY: "see what the agent says: fab logs --limit HOST",
    Cause.INTERRUPTED: "run the same again: it goes on where it was",
    Cause.SKIPPED: "correct what failed first, then run the same again",
    Cause.INTERNAL: "please report it, with the message",
}
"""What to do, where nothing better is known."""
