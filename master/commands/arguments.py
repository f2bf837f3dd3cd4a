"""Arguments that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NamedRun = Annotated[
    Path | None,
    typer.Argument(
        metavar="[RUN]", help="The run directory. [dim]\\[default: the newest one in runs/][/dim]", show_default=False
    ),
]
