"""The gates of the gateway, measured by piswarm; as a script it prints them: python tests/performance/test_api_gateway_throughput.py."""

from __future__ import annotations

import sys

import pytest
import suites
from suite_gates import test_the_gate_holds, test_the_generator_was_fit_and_the_figure_is_there

__all__ = ["test_the_gate_holds", "test_the_generator_was_fit_and_the_figure_is_there"]

SUITE = "api_gateway_throughput"

pytestmark = pytest.mark.timeout(600)

if __name__ == "__main__":
    sys.exit(suites.main(SUITE))
