"""Puts the head of a request into bytes: request line (RFC 9112 3) and header fields (5). No I/O.

Invariant: no method, name or value can break out of its line; what could is a ValueError before anything is sent (RFC 9110
5.5, RFC 9112 11.1).
"""

from __future__ import annotations

import functools
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any

from geventhttpclient.header import Headers

from worker.http.protocol.default_headers import DefaultHeaders

IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"})  # RFC 9110 9.2.2
# RFC 9110 5.6.2
_is_token = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_is_unfit_value = re.compile(r"[\r\n\0]").search


@functools.lru_cache(maxsize=4096)
def request_line(method: str, target: str) -> bytes:
    """The first line of a request. Raises ValueError for a `method` that is none."""
    if not _is_token(method):
        raise ValueError(f"{method!r} is no HTTP method")
    return f"{method} {target} HTTP/1.1\r\n".encode("ascii")


def basic_auth(user: str | bytes, password: str | bytes) -> str:
    """The value of an Authorization header (RFC 7617 2): in latin-1 where both have its characters only, else in UTF-8."""
    try:
        both = b":".join(part.encode("latin-1") if isinstance(part, str) else part for part in (user, password))
    except UnicodeEncodeError:
        both = b":".join(part.encode() if isinstance(part, str) else part for part in (user, password))
    return "Basic " + b64encode(both).decode("ascii")


def with_authorization(headers: Any, value: str) -> Mapping[str, Any]:
    """`headers` with this one in place of another of its name."""
    return with_header(headers, "Authorization", value)


def with_header(headers: Any, name: str, value: str) -> Mapping[str, Any]:
    """`headers` with one more, in place of another of its name."""
    if headers is None or type(headers) is dict:
        return {**(headers or {}), name: value}
    return DefaultHeaders(headers, {name: value})


def header_lines(*layers: Any) -> bytes:
    """Header lines of all `layers`, mappings or pairs; a later one takes the place of an earlier one of that name.

    None as a value drops the header; a list or tuple makes a line of each element, as do several lines of one name in
    geventhttpclient's Headers. Raises ValueError for a name or value that would not stay on its line.
    """
    fields: dict[str, bytes] = {}
    for layer in layers:
        for name, value in pairs(layer or {}):
            values = layer.getlist(name) if isinstance(layer, Headers) else value
            if isinstance(values, (list, tuple)):
                fields[name.lower()] = b"".join(_header_line(name, each) for each in values)
            elif values is None:
                fields.pop(name.lower(), None)
            else:
                fields[name.lower()] = _header_line(name, values)
    return b"".join(fields.values())


def _header_line(name: str, value: Any) -> bytes:
    """One line; text is sent as latin-1 if it can be, as HTTP once said (RFC 9110 5.5), else as UTF-8."""
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    if not _is_token(name) or _is_unfit_value(text):
        raise ValueError(f"the header {name!r}: {text!r} has characters that a header can't have")
    line = f"{name}: {text}\r\n"
    try:
        return line.encode("latin-1")
    except UnicodeEncodeError:
        return line.encode()


def pairs(given: Any) -> Iterable[tuple[str, Any]]:
    """Names and values of `given`, a mapping or pairs already."""
    return given.items() if isinstance(given, Mapping) else given
