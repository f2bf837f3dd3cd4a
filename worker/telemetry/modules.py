"""The modules that this Python can import beside its own library: told without importing any of them."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable

MAX_MODULES = 5000
"""The most that are told."""
_SUFFIXES = (".py", ".so")


def importable_modules(path: Iterable[str] | None = None) -> list[str]:
    """Names of top-level modules and packages on the import path, by default this process's own, sorted.

    A folder counts as a package whatever is in it, since a package may lack an __init__.py.
    """
    found: set[str] = set()
    for folder in dict.fromkeys(sys.path if path is None else path):
        with contextlib.suppress(OSError), os.scandir(folder or os.curdir) as entries:
            found |= {
                name
                for entry in entries
                if (name := entry.name.partition(".")[0]).isidentifier()
                and (entry.name.endswith(_SUFFIXES) or (entry.name == name and entry.is_dir()))
            }
    return sorted(found - sys.stdlib_module_names - {"__pycache__"})[:MAX_MODULES]
