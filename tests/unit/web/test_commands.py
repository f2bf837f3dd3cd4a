"""Short commands of the page: few at once, however many are asked for."""

from __future__ import annotations

import asyncio

import pytest

from master.errors import InputError
from master.web.serve import commands


def test_few_commands_run_at_once_and_too_many_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many who ask for a comparison at once neither take the machine from a run nor wait in a line without end."""
    on = most = 0

    async def slowly(words: list[str]) -> tuple[int, bytes, str]:
        nonlocal on, most
        on += 1
        most = max(most, on)
        await asyncio.sleep(0.01)
        on -= 1
        return len(words), b"", ""

    async def all_at_once() -> list[object]:
        answers = commands.Answers()
        asked = [answers.ask(["compare"]) for _ in range(commands.MAX_ASKED + 5)]
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert await answers.ask(["a", "b"]) == (2, b"", "")
        return list(found)

    monkeypatch.setattr(commands, "_answer_of", slowly)
    found = asyncio.run(all_at_once())
    assert most == commands.ANSWERS_AT_ONCE
    assert sum(isinstance(each, InputError) for each in found) == 5
