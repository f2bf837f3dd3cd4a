"""The command `piswarm` before it has read its options."""

from __future__ import annotations

import sys
from typing import NoReturn

import pytest
from typer.core import TyperGroup

from master import cli


@pytest.mark.parametrize("step", ["make_context", "invoke"])
def test_an_interrupt_before_the_start_has_the_status_of_a_run_that_was_aborted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], step: str
) -> None:
    """Ctrl-C while options are read, or a command is loaded, is told in one line and ends with status 4."""

    def interrupt(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(TyperGroup, step, interrupt)
    monkeypatch.setattr(cli.streams, "guard_streams", lambda: None)
    monkeypatch.setattr(sys, "argv", ["piswarm", "nodes"])
    assert cli.main() == 4
    assert capsys.readouterr().err == "piswarm: interrupted before anything was started\n"
