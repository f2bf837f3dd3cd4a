"""Puts requests into bytes. Pure, apart from reading the files that are to be sent."""

from __future__ import annotations

import functools
import io
import json as standard_json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_to_bytes, urlencode, urlsplit

import msgspec
from geventhttpclient.header import Headers
from urllib3.filepost import encode_multipart_formdata

from worker.http.connect import Origin
from worker.http.defaults import DefaultHeaders

IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"})  # RFC 9110 9.2.2
_PORTS = {"http": 80, "https": 443}
# What may stand in a path and a query as it is (RFC 3986), with "%" since what is encoded stays so.
_SAFE = "!$%&'()*+,/:;=?@[]~-._|"
_PIECE_BYTES = 64 * 1024
_MAX_ORIGINS = 1024
_origins: dict[tuple[str, str, int], Origin] = {}  # one object for each, so that identity tells them apart
_is_absolute = re.compile(r"https?://", re.IGNORECASE).match
_is_token = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_is_unfit_value = re.compile(r"[\r\n\0]").search


class Located(NamedTuple):
    """A URL taken apart: `target` is what stands in the request line, `host` in the Host header."""

    url: str
    origin: Origin
    target: str
    host: str
    authorization: str | None = None
    """The Authorization header that the credentials in the URL make; they are not in `url`."""


@functools.lru_cache(maxsize=4096)
def locate(url: str, base_url: str = "") -> Located:
    """Where `url` leads, which is absolute or what comes behind `base_url`.

    Raises ValueError for what is no http or https URL with a host.
    """
    if not _is_absolute(url):
        url = base_url + url
    url, authorization = split_credentials(url)
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in _PORTS or not parts.hostname:
        raise ValueError(f"{url!r} is no http or https URL")
    host = parts.hostname
    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    if _is_unfit_value(host) or " " in host:
        raise ValueError(f"{url!r} has no host name")
    port = _PORTS[scheme] if parts.port is None else parts.port
    if port == 0:
        raise ValueError(f"{url!r} has port 0, where nothing can be")
    origin = _origins.setdefault((scheme, host, port), Origin(scheme, host, port))
    if len(_origins) > _MAX_ORIGINS:
        _origins.clear()
    target = quote(parts.path or "/", safe=_SAFE)
    if parts.query:
        target += "?" + quote(parts.query, safe=_SAFE)
    shown = str(origin) if port != _PORTS[scheme] else str(origin).rpartition(":")[0]
    return Located(url, origin, target, shown, authorization)


@functools.lru_cache(maxsize=4096)
def request_line(method: str, target: str) -> bytes:
    """The first line of a request. Raises ValueError for a `method` that is none."""
    if not _is_token(method):
        raise ValueError(f"{method!r} is no HTTP method")
    return f"{method} {target} HTTP/1.1\r\n".encode("ascii")


def with_params(url: str, params: Any) -> str:
    """`url` with `params` (a mapping, pairs, or a string) behind what query it has."""
    if not isinstance(params, str):
        params = urlencode([(name, value) for name, value in _pairs(params) if value is not None], doseq=True)
    url, hash_sign, fragment = url.partition("#")
    return f"{url}{'&' if '?' in url else '?'}{params}{hash_sign}{fragment}" if params else url


def split_credentials(url: str) -> tuple[str, str | None]:
    """A URL without its user and password, either of which may be missing, and the Authorization header that they make.

    They are sent in the bytes that their percent-encoding stands for, as by curl.
    """
    if "@" not in url:
        return url, None
    parts = urlsplit(url)
    credentials, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    user, _, password = credentials.partition(":")
    return (
        parts._replace(netloc=host).geturl(),
        basic_auth(unquote_to_bytes(user), unquote_to_bytes(password)) if credentials else None,
    )


def basic_auth(user: str | bytes, password: str | bytes) -> str:
    """The value of an Authorization header (RFC 7617): in latin-1 where both have its characters only, else in UTF-8."""
    try:
        both = b":".join(part.encode("latin-1") if isinstance(part, str) else part for part in (user, password))
    except UnicodeEncodeError:
        both = b":".join(part.encode() if isinstance(part, str) else part for part in (user, password))
    return "Basic " + b64encode(both).decode("ascii")


def with_authorization(headers: Any, value: str) -> Mapping[str, Any]:
    """`headers` with this one in place of another of its name."""
    if headers is None or type(headers) is dict:
        return {**(headers or {}), "Authorization": value}
    return DefaultHeaders(headers, {"Authorization": value})


def header_lines(*layers: Any) -> bytes:
    """Header lines of all `layers`, mappings or pairs; a later one takes the place of an earlier one of that name.

    None as a value drops the header; a list or tuple makes a line of each element, as do several lines of one name in
    geventhttpclient's Headers. Raises ValueError for a name or value that would not stay on its line.
    """
    fields: dict[str, bytes] = {}
    for layer in layers:
        for name, value in _pairs(layer or {}):
            values = layer.getlist(name) if isinstance(layer, Headers) else value
            if isinstance(values, (list, tuple)):
                fields[name.lower()] = b"".join(_header_line(name, each) for each in values)
            elif values is None:
                fields.pop(name.lower(), None)
            else:
                fields[name.lower()] = _header_line(name, values)
    return b"".join(fields.values())


def _header_line(name: str, value: Any) -> bytes:
    """One line; text is sent as latin-1 if it can be, as HTTP once said, else as UTF-8."""
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    if not _is_token(name) or _is_unfit_value(text):
        raise ValueError(f"the header {name!r}: {text!r} has characters that a header can't have")
    line = f"{name}: {text}\r\n"
    try:
        return line.encode("latin-1")
    except UnicodeEncodeError:
        return line.encode()


class Body(NamedTuple):
    """What a request carries: `content` in whole, or an `upload` to read from, and its type unless the user names one."""

    content: bytes = b""
    upload: Upload | None = None
    content_type: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """What the header says of it, apart from its length."""
        if self.content_type is None:
            return {}
        accept = {"Accept": JSON} if self.content_type == JSON else {}
        return {"Content-Type": self.content_type, **accept}


JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
_BYTES = "application/octet-stream"
_FORM = "application/x-www-form-urlencoded; charset=utf-8"


def encode_body(data: Any, json: Any, files: Any) -> Body:
    """The body for what a user gave: text, bytes, a form (mapping or pairs), a file, pieces of bytes, or JSON; or files."""
    match data:
        case _ if files:
            content, content_type = encode_multipart_formdata(_parts(data, files))
            body = Body(content, content_type=content_type)
        case _ if not data:
            body = Body() if json is None else Body(encode_json(json), content_type=JSON)
        case str():
            body = Body(data.encode(), content_type=TEXT)
        case bytes() | bytearray() | memoryview():
            body = Body(bytes(data), content_type=_BYTES)
        case Mapping() | [[_, _], *_]:
            body = Body(urlencode(data, doseq=True).encode(), content_type=_FORM)
        case _:
            body = Body(upload=Upload(data), content_type=_BYTES)
    return body


def encode_json(value: Any) -> bytes:
    """`value` as compact JSON. What msgspec refuses and the standard library takes is left to that. Raises TypeError, ValueError."""
    try:
        return msgspec.json.encode(value)
    except (TypeError, ValueError):
        return standard_json.dumps(value).encode()


def _parts(data: Any, files: Any) -> list[tuple[str, Any]]:
    """Form fields and files as urllib3 takes them: (name, value) or (name, (file name, bytes[, content type]))."""
    parts: list[tuple[str, Any]] = []
    for name, value in _pairs(data or {}):
        each = value if isinstance(value, (list, tuple)) else [value]
        parts += [(name, one if isinstance(one, bytes) else str(one)) for one in each]
    for name, given in _pairs(files):
        file_name, content, *content_type = (
            given if isinstance(given, (list, tuple)) else (_file_name(given, name), given)
        )
        if hasattr(content, "read"):
            content = content.read()
        parts.append((name, (file_name, content, *content_type[:1])))
    return parts


def _pairs(given: Any) -> Iterable[tuple[str, Any]]:
    return given.items() if isinstance(given, Mapping) else given


def _file_name(file: Any, otherwise: str) -> str:
    name = getattr(file, "name", None)
    return PurePath(name).name if isinstance(name, str) and not name.startswith("<") else otherwise


class Upload:
    """A body that is read while it is sent: a file, or an iterable of bytes. `size` in bytes is None where nobody knows it."""

    def __init__(self, source: Any) -> None:
        self.source = source
        self._start = source.tell() if _is_seekable(source) else None
        self.size: int | None = None
        if self._start is not None:
            self.size = source.seek(0, io.SEEK_END) - self._start
            source.seek(self._start)
        self.headers = {"Transfer-Encoding": "chunked"} if self.size is None else {"Content-Length": str(self.size)}

    @property
    def repeatable(self) -> bool:
        """Whether it can be sent once more."""
        return self._start is not None

    def pieces(self) -> Iterator[bytes]:
        """The body as it goes over the wire, from its beginning if it is repeatable."""
        if self._start is not None:
            self.source.seek(self._start)
        for piece in self._read():
            data = piece.encode() if isinstance(piece, str) else bytes(memoryview(piece))
            if self.size is not None:
                yield data
            elif data:
                yield b"%x\r\n%b\r\n" % (len(data), data)
        if self.size is None:
            yield b"0\r\n\r\n"

    def _read(self) -> Iterator[Any]:
        if not hasattr(self.source, "read"):
            yield from self.source
            return
        while piece := self.source.read(_PIECE_BYTES):
            yield piece


def _is_seekable(source: Any) -> bool:
    # A file opened as text counts characters, not bytes.
    return hasattr(source, "read") and not isinstance(source, io.TextIOBase) and getattr(source, "seekable", bool)()
