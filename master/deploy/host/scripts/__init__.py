"""What runs on a host: small POSIX shell scripts, each sent as one command. They need Debian's essential packages and python3.

`common.sh` goes ahead of every one; a script's arguments follow those that all have: the lock's token, and the layout.
"""

from __future__ import annotations

import functools
import shlex
from pathlib import Path

from master.deploy.host.service import Layout


@functools.cache
def _source(name: str) -> str:
    return (Path(__file__).parent / f"{name}.sh").read_text("utf-8")


def command(name: str, layout: Layout, token: str, *arguments: str) -> str:
    """The command that runs the script `name` on a host. None of its arguments is a secret: others see them there."""
    places = (layout.root, layout.etc, layout.owner)
    words = ["sh", "-c", _source("common") + _source(name), f"piswarm-{name}", token, *places, *arguments]
    return shlex.join(words)
