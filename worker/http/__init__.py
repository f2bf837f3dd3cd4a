"""HTTP as a user speaks it: `HttpUser` takes the place of Locust's FastHttpUser, at a fraction of its cost.

user ─► session ─► pool ─► connect ─► connection; reader, head, decode, request, cookies and tls do no I/O.
"""

from worker.http.pool import Pool
from worker.http.user import HttpUser

__all__ = ["HttpUser", "Pool"]
