"""Parts of a text in Markdown: sections with tables, and texts that somebody else chose.

Names and errors come from the target and are hostile input: they stand in code, and all that could be a sign of Markdown or HTML in
them is written as a character reference, which no reader of Markdown takes for one (CommonMark 0.31, section 2.5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from worker.printable import printable

_SPECIAL = re.compile(r"[\\`*\[\]<>&|~#@$]|(?<!\w)_|_(?!\w)|:(?!\s|$)|(?<=www)\.", re.IGNORECASE)
"""What may mean something in Markdown, in HTML or to GitHub, or would make an address of a text."""
MAX_TEXT_LENGTH = 500
"""Characters shown of a text that names what the target or users' code chose."""


def section(
    heading: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, numbers_from: int | None = None
) -> list[str]:
    """A heading and a table; nothing without rows. Columns from `numbers_from` on are numbers."""
    lines = [_line(row) for row in rows]
    if not lines:
        return []
    right = len(columns) if numbers_from is None else numbers_from
    rule = ["---"] * right + ["--:"] * (len(columns) - right)
    return [f"### {heading}", "\n".join([_line(columns), _line(rule), *lines])]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def as_code(text: str) -> str:
    """A text that somebody else chose, in code, where nobody takes it for a mention or an address."""
    return f"<code>{as_text(text)}</code>" if text.strip() else ""


def as_text(text: str) -> str:
    """A text on one line in which nothing means anything to a reader of Markdown."""
    line = " ".join(printable(text).split())
    cut = line if len(line) <= MAX_TEXT_LENGTH else f"{line[:MAX_TEXT_LENGTH]}…"
    return _SPECIAL.sub(lambda found: f"&#{ord(found[0])};", cut)
