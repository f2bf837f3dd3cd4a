"""Words on what a command is doing."""

from __future__ import annotations

import io

from rich.console import Console

from master.commands.progress import Progress


def test_nothing_is_said_of_what_is_over_soon() -> None:
    console = Console(file=io.StringIO())
    with Progress(console) as progress:
        progress.step("reading")
        progress.step("writing")
    assert said(console) == ""


def test_what_takes_a_while_is_said_step_by_step() -> None:
    """From the moment on in which a command takes a while, the step that is under way is shown, and each that follows."""
    console = Console(file=io.StringIO())
    with Progress(console) as progress:
        progress.step("reading")
        progress.show()
        progress.step("writing")
    progress.show()  # the timer may come late
    assert said(console) == "reading …\nwriting …\n"


def test_on_a_terminal_one_line_moves_and_is_gone_at_the_end() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=60)
    with Progress(console) as progress:
        progress.step("reading")
        progress.show()
        progress.step("writing [b]report.html[/b]")
    assert "writing [b]report.html[/b]" in said(console)
    assert said(console).endswith("\x1b[?25h\r\x1b[1A\x1b[2K")


def said(console: Console) -> str:
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()
