"""Options of one request beyond Locust's own arguments: time limits, certificates, cookies, redirects. Does no I/O but asking for files."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from worker.http.cookies.jar import pairs_of
from worker.http.transport.connection import ResponseLimits

response_limits = functools.lru_cache(maxsize=64)(ResponseLimits)
"""One object for equal limits, so that identity tells whether a connection has others."""


class Writable(Protocol):
    """A text file, an io.StringIO, sys.stdout."""

    def write(self, text: str, /) -> Any:
        """Take `text`."""


class RequestOptions(NamedTuple):
    """Options of one request; those that the task did not give are its user's."""

    connect_s: float
    limits: ResponseLimits
    max_redirects: int
    max_retries: int
    verify: bool | str | None = None
    """Whether the server's certificate is verified, or against which file of CAs; None: as the user does."""
    cookies: tuple[str, ...] = ()
    """`name=value` of cookies sent beside those of the jar, in place of those of the same names."""
    debug_stream: Writable | None = None
    """A text file to which request and response are written."""


_ALTERNATIVES = {
    "payload": "data= is what is sent",
    "to_string": "the text of a response is its .text",
    "cert": "ssl_context_factory of the user class makes a TLS context with a certificate of one's own",
    "proxies": "proxy_host and proxy_port of the user class name a proxy",
    "hooks": "listen to environment.events.request",
}


def read_options(given: Mapping[str, Any], usual: RequestOptions) -> RequestOptions:
    """The `usual` options with those in `given`, by name, in their place. Raises TypeError and ValueError that name the option."""
    options = usual
    for name, value in given.items():
        if name not in _READERS:
            raise TypeError(
                f"request() got an unexpected keyword argument {name!r}: "
                + _ALTERNATIVES.get(
                    name, f"if it is to be a parameter of the URL or form, say params= or data={{{name!r}: …}}"
                )
            )
        if value is not None:
            options = options._replace(**_READERS[name](value, options))
    return options


def _timeout(value: Any, options: RequestOptions) -> dict[str, Any]:
    """The option of requests: seconds for making a connection, and of silence after that; one number is both."""
    connect_s, silence_s = value if isinstance(value, tuple) and len(value) == 2 else (value, value)
    limits = options.limits
    if silence_s is not None:
        limits = response_limits(_seconds(silence_s), limits.total_s, limits.max_body_bytes)
    return {"connect_s": options.connect_s if connect_s is None else _seconds(connect_s), "limits": limits}


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"timeout= takes seconds, or a tuple of two (connecting, silence), not {value!r}")
    if not value > 0:
        raise ValueError(f"timeout={value!r}: must be more than 0 s")
    return float(value)


def _count(name: str) -> Any:
    def read(value: Any, _options: RequestOptions) -> dict[str, Any]:
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise TypeError(f"{name}= takes a number of times, not {value!r}")
        return {name: value}

    return read


def _verify(value: Any, _options: RequestOptions) -> dict[str, Any]:
    if not isinstance(value, (bool, str, Path)):
        raise TypeError(f"verify= takes True, False, or a file of CA certificates, not {value!r}")
    if not isinstance(value, bool) and not Path(value).is_file():
        raise ValueError(f"verify={str(value)!r} is not a file of CA certificates")
    return {"verify": value if isinstance(value, bool) else str(value)}


def _cookies(value: Any, _options: RequestOptions) -> dict[str, Any]:
    if isinstance(value, CookieJar):
        return {"cookies": tuple(pairs_of(list(value)))}
    if not isinstance(value, Mapping):
        raise TypeError(f"cookies= takes a dict of names and values, or a cookie jar, not {value!r}")
    return {"cookies": tuple(f"{name}={text}" for name, text in value.items() if text is not None)}


def _debug_stream(value: Any, _options: RequestOptions) -> dict[str, Any]:
    if not callable(getattr(value, "write", None)):
        raise TypeError(f"debug_stream= takes a text file to write to, not {value!r}")
    return {"debug_stream": value}


_READERS = {
    "timeout": _timeout,
    "verify": _verify,
    "cookies": _cookies,
    "debug_stream": _debug_stream,
    "max_retries": _count("max_retries"),
    "max_redirects": _count("max_redirects"),
}
