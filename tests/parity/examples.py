"""Locust's own examples, unchanged, under piswarm."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Example:
    """One example, and how it went."""

    name: str
    result: str
    """runs, differs, fails or skipped"""
    reason: str = ""

    def document(self) -> dict[str, str]:
        """Return it as data for machines."""
        return {"example": self.name, "result": self.result, "reason": self.reason}
