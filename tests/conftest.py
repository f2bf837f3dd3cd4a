"""For all tests: importing Locust must not patch this process for gevent; the processes that tests start are to be patched."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator

os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"
import locust  # noqa: F401

del os.environ["LOCUST_SKIP_MONKEY_PATCH"]

import pytest
from hypothesis import settings  # Locust comes first

# How long an example takes says nothing on a machine that does other things.
settings.register_profile("piswarm", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=25)
"""For the loop before each commit (`make check`); `make test` draws all examples."""
settings.load_profile("piswarm")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage among thousands of tests: there is none while they are collected, and they stay to the end.

    Without this, collections of garbage take a sixth of the unit tests' CPU time.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep of what a test has printed or logged only what its report can be sent with to the process that collects reports.

    A half surrogate in it, as hostile input has, would end all tests that run side by side.
    """
    report = yield
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    if isinstance(report.longrepr, str):
        report.longrepr = report.longrepr.encode(errors="backslashreplace").decode()
    return report
