"""What the suites' modules have in common: each names its suite, and is measured once."""

from __future__ import annotations

from typing import Any

import pytest
import suites


@pytest.fixture(scope="module")
def suite(request: pytest.FixtureRequest) -> str:
    """The suite that the module is about."""
    name: str = request.module.SUITE
    return name


@pytest.fixture(scope="module")
def measured(suite: str) -> dict[str, Any]:
    """What its run has measured."""
    return suites.measure(suite)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each threshold of the suite's scenario."""
    if "rule" in metafunc.fixturenames:
        metafunc.parametrize("rule", suites.rules(metafunc.module.SUITE))
