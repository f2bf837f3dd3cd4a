"""Cells of CSV files: what is null is empty, and no text of somebody else's is a formula. Pure.

A spreadsheet runs a cell that begins with = + - @ or their full-width twins as a formula (OWASP, "CSV Injection"), whether it is in quotes or
not. Endpoints, errors and nodes have names that a target or a user's code chose, so such a text gets an apostrophe before it, and so does a
text that begins with one: without its first apostrophe it is again what it was. Spreadsheets of languages that write decimals
with a comma begin another cell behind a semicolon, even inside quotes, so the same is done behind each of these.
"""

from __future__ import annotations

import re

from worker.printable import printable

_FORMULA = re.compile(r"""(^|;)(?=[\s"']*[=+\-@＝＋－＠])|^(?=')""")  # noqa: RUF001  # the full-width twins


def cell(value: object) -> object:
    """What stands in a CSV file for a value."""
    if isinstance(value, str):
        return _FORMULA.sub(r"\1'", printable(value))
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else value
