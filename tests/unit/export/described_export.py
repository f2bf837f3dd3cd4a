"""The tables of an export as docs/performance/export.md has them: `python tests/unit/export/described_export.py` prints them."""

from __future__ import annotations

from master.export.schema import TABLES, Table


def described(table: Table) -> str:
    """One table's section."""
    rows = "".join(f"| `{column.name}` | {column.kind} | {column.meaning} |\n" for column in table.columns)
    return f"### `{table.name}`\n\n{table.meaning}\n\n| column | type | meaning |\n|---|---|---|\n{rows}"


def all_described() -> str:
    """All of them."""
    return "\n".join(map(described, TABLES))


if __name__ == "__main__":
    print(all_described(), end="")  # noqa: T201  # for the page
