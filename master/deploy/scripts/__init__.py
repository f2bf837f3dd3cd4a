"""What runs on a host: small POSIX shell scripts, each sent as one command. They need Debian's essential packages and python3.

`common.sh` goes ahead of every one; a script's arguments follow the two that all have, the root and the lock's token.
"""

from __future__ import annotations

import functools
import shlex
from pathlib import Path


@functools.cache
def _source(name: str) -> str:
    return (Path(__file__).parent / f"{name}.sh").read_text("utf-8")


def command(name: str, root: str, token: str, *arguments: str) -> str:
    """The command that runs the script `name` on a host. None of its arguments is a secret: others see them there."""
    words = ["sh", "-c", _source("common") + _source(name), f"piswarm-{name}", root, token, *arguments]
    return shlex.join(words)
