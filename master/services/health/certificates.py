"""Which certificates of services are trusted."""

from __future__ import annotations

import ssl
from pathlib import Path


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """Trust the authorities in `ca_file` alone, or those of the system. Raises ValueError for a file that has none."""
    if ca_file is None:
        return ssl.create_default_context()
    if not ca_file.is_file():
        raise ValueError(f"{ca_file} is no file")
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # of which ssl.SSLError is one
        reason = "it has no certificate in it (PEM)" if isinstance(error, ssl.SSLError) else error.strerror
        raise ValueError(f"{ca_file} can't be used: {reason}") from None
