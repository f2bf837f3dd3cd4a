"""Payment and performance stay apart: nothing that measures performance refers to the TRON payment system."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PLACES = ("tests/performance", "configs/scenarios", "worker/users")
PAYMENT = re.compile(r"\btron(?:web|grid|-payment)?\b|\btrc-?20\b|\busdt\b|tron[_-]?payment", re.IGNORECASE)


def files() -> list[Path]:
    found = [path for place in PLACES for path in (ROOT / place).rglob("*") if path.suffix in {".py", ".yml", ".md"}]
    assert len(found) > 20
    return found


def test_performance_does_not_know_the_payment_system() -> None:
    """Neither by its own name nor by those of its parts."""
    assert not [path for path in files() if PAYMENT.search(path.read_text("utf-8")) or PAYMENT.search(path.name)]


@pytest.mark.parametrize(
    "text", ["import tron", "TronWeb", "tron-payment.yml", "a TRC20 transfer", "tron_payment", "USDT"]
)
def test_a_reference_to_the_payment_system_would_be_found(text: str) -> None:
    assert PAYMENT.search(text)


@pytest.mark.parametrize("text", ["electron", "a strong one", "patron", "neutrons"])
def test_words_that_only_contain_the_payment_systems_name_are_left_alone(text: str) -> None:
    assert not PAYMENT.search(text)
