"""Signing in and out: who one is, new tokens, and tokens that are worth nothing any more."""

from __future__ import annotations

from worker.users.streamgate.base import StreamGateClient


class SignIns:
    """Shows its token, has it refreshed, signs in anew, or signs out and finds its token refused."""

    def __init__(self, user: StreamGateClient) -> None:
        self._user = user

    def step(self) -> None:
        """One request about the user's tokens; two for a sign-out, lest anything else is asked with the revoked token."""
        user = self._user
        (step,) = user.random.choices((user.look_at_itself, user.refresh, user.sign_in, user.sign_out), (80, 12, 4, 4))
        step()
