"""HTTP as a user speaks it: `HttpUser` takes the place of Locust's FastHttpUser, at a fraction of its cost.

user ─► session ─► exchange ─► transport/ ─► protocol/
             │         └─► cookies/
             └─► response

Public are `HttpUser`, `Pool` (a `client_pool` that users share) and the exceptions in worker.http.errors; the rest is internal.
"""

from worker.http.transport.pool import Pool
from worker.http.user import HttpUser

__all__ = ["HttpUser", "Pool"]
