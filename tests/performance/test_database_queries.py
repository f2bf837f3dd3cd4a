"""The gates of the database, measured by piswarm; as a script it prints them: python tests/performance/test_database_queries.py."""

from __future__ import annotations

import sys

import pytest
import suites
from suite_gates import test_the_gate_holds, test_the_generator_was_fit_and_the_figure_is_there

__all__ = ["test_the_gate_holds", "test_the_generator_was_fit_and_the_figure_is_there"]

SUITE = "database_queries"

pytestmark = pytest.mark.timeout(600)

if __name__ == "__main__":
    sys.exit(suites.main(SUITE))
