"""Signing in and out: who one is, new tokens, and tokens that are worth nothing any more."""

from __future__ import annotations

from worker.users.streamgate.base import StreamGateClient


class SignIns:
    """Shows its token, has it refreshed, signs in anew, or signs out and finds its token refused."""

    def __init__(self, user: StreamGateClient) -> None:
        self._user = user
        self._signed_out = False

    def step(self) -> None:
        """One request about the user's tokens."""
        user = self._user
        if self._signed_out:
            self._signed_out = False
            user.show_revoked_token()
            return
        (choice,) = user.random.choices(("show", "refresh", "sign in", "sign out"), (80, 12, 4, 4))
        if choice == "show":
            user.look_at_itself()
        elif choice == "refresh":
            user.refresh()
        elif choice == "sign in":
            user.sign_in()
        else:
            self._signed_out = user.call("POST", "/auth/logout", bytes, expected=(204,)) is not None
