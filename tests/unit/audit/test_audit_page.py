"""The page for operators says what the audit does."""

from __future__ import annotations

import re
from pathlib import Path

from master.audit.budget import Limits
from master.audit.checks.catalogue import CHECKS
from master.audit.ownership import PROOF_PATH

PAGE = (Path(__file__).parents[3] / "docs/operator/audit.md").read_text(encoding="utf-8")


def test_the_page_lists_the_checks() -> None:
    """Each check is in the page's table, and nothing else is."""
    assert set(re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE)) == {check.id for check in CHECKS}


def test_the_page_names_the_limits_and_where_the_proof_is_served() -> None:
    """The limits and the path of the proof are those of the code."""
    limits = Limits()
    assert f"`{PROOF_PATH}`" in PAGE
    for option, value in (
        ("`--rate` requests a second", limits.rate_per_s),
        ("`--max-requests`", limits.max_requests),
        ("`--max-duration` seconds", limits.max_duration_s),
    ):
        assert f"{option} ({value:g})" in PAGE
