"""Heads that break HTTP's grammar where nobody can misread them, put into its grammar; as lenient as curl. No I/O.

What decides where a body ends stays strict: two recipients of such a response might find different ends (RFC 9112 11.2).
"""

from __future__ import annotations

import re

from worker.http.protocol.errors import BadAnswerError

_MAX_LENGTH_DIGITS = 18  # of a Content-Length; what an int of 64 bits surely holds
_NO_LENGTH = -1
_SHOWN_BYTES = 20

_status_line = re.compile(rb"HTTP/(1\.[01]) +(\d{3})(?!\d) ?([^\r]*)", re.IGNORECASE).fullmatch
_has_control_characters = re.compile(rb"[\0-\x1f\x7f]").search


def normalize(head: bytes) -> tuple[int, bytes] | None:
    """The status, and `head` as a strict server had sent it; None if it can be understood in more than one way.

    Accepted are folded lines (RFC 9112 5.2), lines that end with a line feed alone (2.2), white space before a colon (5.1),
    control characters in values (RFC 9110 5.5), odd names or none, a length that is repeated (RFC 9110 8.6), and a status
    line with more or fewer spaces (RFC 9112 4). Refused are a CR that no LF follows (2.2), NUL, lengths that differ, a length
    beside a transfer coding (6.3), and white space before the colon of either.
    """
    first, *lines = (line.removesuffix(b"\r") for line in head.split(b"\n")[:-2])
    status = _status_line(first)
    if status is None or b"\0" in head or any(b"\r" in line for line in lines):
        return None
    kept = []
    lengths: set[int] = set()
    has_transfer_encoding = False
    for line in _unfold(lines):
        given, colon, value = line.partition(b":")
        name = given.rstrip(b" \t")
        if not colon or name.startswith((b" ", b"\t")) or _has_control_characters(name):
            return None
        value = value.strip(b" \t")
        match name.lower():
            case b"":
                continue
            case b"content-length" | b"transfer-encoding" if name != given:
                return None
            case b"content-length":
                repeated = bool(lengths)
                lengths |= {_length(element) for element in value.split(b",")}
                if len(lengths) > 1 or _NO_LENGTH in lengths:
                    return None
                if repeated:
                    continue
                value = b"%d" % max(lengths)
            case b"transfer-encoding":
                has_transfer_encoding = True
        kept.append(b"%b: %b" % (name, value))
    if lengths and has_transfer_encoding:
        return None
    version, code, reason = status.groups()
    return int(code), b"\r\n".join([b"HTTP/%b %b %b" % (version, code, reason), *kept, b"", b""])


def _unfold(lines: list[bytes]) -> list[bytes]:
    """`lines`, each joined with those that continue it (RFC 9112 5.2); the first one can't continue any."""
    unfolded: list[bytes] = []
    for line in lines:
        if unfolded and line.startswith((b" ", b"\t")):
            unfolded[-1] = b"%b %b" % (unfolded[-1].rstrip(b" \t"), line.strip(b" \t"))
        else:
            unfolded.append(line)
    return unfolded


def _length(text: bytes) -> int:
    text = text.strip(b" \t")
    return int(text) if text.isdigit() and len(text) <= _MAX_LENGTH_DIGITS else _NO_LENGTH


def transfer_encoding_is_chunked(value: bytes) -> bool:
    """Whether a body with this Transfer-Encoding is in chunks; without any coding it ends with the connection (RFC 9112 6.3).

    Empty elements of the list count for nothing (RFC 9110 5.6.1), nor does the "identity" of RFC 2616 3.6. Raises
    BadAnswerError for other codings, none of which was asked for in TE (RFC 9112 7.4), and for chunks applied twice (6.1).
    """
    encodings = [element.strip(b" \t") for element in value.split(b",")]
    applied = [encoding for encoding in encodings if encoding not in {b"", b"identity"}]
    if applied not in ([], [b"chunked"]):
        raise BadAnswerError(f"the unknown transfer encoding {value[:_SHOWN_BYTES]!r}")
    return bool(applied)
