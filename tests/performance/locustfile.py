"""The load of a remote-desktop platform, for Locust's own command and for piswarm.

    locust -f tests/performance/locustfile.py --host=URL --users=100 --spawn-rate=10 --run-time=60s --headless [--html=FILE]
    piswarm run tests/performance/scenario.yml

The users sign in with the password in PISWARM_TARGET_PASSWORD, or by piswarm with that of the target it has started.
"""

from worker.users.lucid.users import AdminUser, ApiUser, BlockchainUser, SessionUser

__all__ = ["AdminUser", "ApiUser", "BlockchainUser", "SessionUser"]

# The shares of Locust's own command; a scenario names its own.
ApiUser.weight = 50
SessionUser.weight = 30
BlockchainUser.weight = 15
AdminUser.weight = 5
