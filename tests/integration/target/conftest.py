"""Accounts that are signed in to the module's target, and databases that outlive one."""

from __future__ import annotations

from pathlib import Path

import pytest
from processes import Target


@pytest.fixture(scope="module")
def user(target: Target) -> str:
    """A user's token."""
    return target.sign_in("user0001")


@pytest.fixture(scope="module")
def admin(target: Target) -> str:
    """An administrator's token."""
    return target.sign_in("admin01")


@pytest.fixture(scope="module")
def account(target: Target) -> str:
    """The token of a node's account."""
    return target.sign_in("node0001")


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of the test's own that outlives the target."""
    if request.param == "sqlite":
        return str(tmp_path / "target.db")
    made: str = request.getfixturevalue("postgres").new_database()
    return made
