"""Memory of an idle user, without its socket in the kernel."""

from __future__ import annotations

import json
import resource
import subprocess
import sys

import pytest
from processes import Target

USERS = 2000
MAX_BYTES_PER_USER = 10 * 1024

SCRIPT = f"""
import locust
import gc, json, resource, sys
import psutil
from locust.env import Environment
from worker.http import HttpUser

class Idle(HttpUser):
    host = sys.argv[1]

def arrive(number):
    user = Idle(environment)
    response = user.client.get("/health", headers={{"Authorization": f"Bearer {{number:064}}"}})
    assert response.status_code == 200, response.error
    return user

_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
environment = Environment()
users = [arrive(number) for number in range(100)]
gc.collect()
process = psutil.Process()
before, connections = process.memory_info().rss, len(process.net_connections("tcp"))
users += [arrive(number) for number in range({USERS})]
gc.collect()
grown = process.memory_info().rss - before
print(json.dumps({{"bytes": grown / {USERS}, "connections": len(process.net_connections("tcp")) - connections}}))
"""


def test_an_idle_user_takes_little() -> None:
    """An idle user that is signed in, with its connection open, takes little memory: a Pi carries thousands of them."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < USERS + 500:
        pytest.skip(f"this machine allows {hard} open files; {USERS + 500} are needed")
    with Target() as target:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, target.url], capture_output=True, text=True, timeout=120, check=False
        )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["connections"] == USERS
    assert found["bytes"] <= MAX_BYTES_PER_USER
