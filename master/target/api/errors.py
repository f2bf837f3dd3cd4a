"""What a client is told when its request can't be served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class ApiError(Exception):
    """A request that is answered with an error: HTTP status, a code for programs, a message for people."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers


def bad_request(message: str) -> ApiError:
    """400: the body is no JSON, or the request no HTTP."""
    return ApiError(400, "bad_request", message)


def unauthorized(message: str) -> ApiError:
    """401: no valid token, or sign-in refused."""
    return ApiError(401, "unauthorized", message, {"www-authenticate": "Bearer"})


def forbidden(message: str) -> ApiError:
    """403: signed in, but not allowed to do this."""
    return ApiError(403, "forbidden", message)


def not_found(what: str) -> ApiError:
    """404: `what` does not exist, or is not the caller's to see."""
    return ApiError(404, "not_found", f"{what} not found")


def method_not_allowed(allowed: Sequence[str]) -> ApiError:
    """405: the path exists, this method on it does not."""
    listed = ", ".join(allowed)
    return ApiError(405, "method_not_allowed", f"allowed: {listed}", {"allow": listed})


def too_slow(limit_s: float) -> ApiError:
    """408: the request was not there within `limit_s` seconds."""
    return ApiError(408, "too_slow", f"the request took longer than {limit_s:.0f} s to come")


def conflict(message: str) -> ApiError:
    """409: what is asked for contradicts the present state."""
    return ApiError(409, "conflict", message)


def too_large(limit_bytes: int) -> ApiError:
    """413: the body is longer than `limit_bytes`."""
    return ApiError(413, "too_large", f"body longer than {limit_bytes} bytes")


def unsupported_media_type(expected: str) -> ApiError:
    """415: the body is declared to be of another type."""
    return ApiError(415, "unsupported_media_type", f"Content-Type must be {expected}")


def version_unsupported(version: str) -> ApiError:
    """412: the protocol's version in the request is not `version`, the one there is."""
    return ApiError(412, "version_unsupported", f"Tus-Resumable must be {version}", {"tus-version": version})


def range_not_satisfiable(size_bytes: int) -> ApiError:
    """416: the content, of `size_bytes`, has no byte in the range."""
    message = f"the content has {size_bytes} bytes"
    return ApiError(416, "range_not_satisfiable", message, {"content-range": f"bytes */{size_bytes}"})


def invalid(message: str) -> ApiError:
    """422: well-formed, but a field is missing, unknown, of the wrong type or out of range."""
    return ApiError(422, "invalid", message)


def too_many_requests(message: str, retry_after_s: int) -> ApiError:
    """429: try again later, after `retry_after_s` seconds."""
    return ApiError(429, "too_many_requests", message, {"retry-after": str(retry_after_s)})


def head_too_large(limit_bytes: int) -> ApiError:
    """431: the request's head is longer than `limit_bytes`."""
    return ApiError(431, "head_too_large", f"head longer than {limit_bytes} bytes")


def checksum_mismatch() -> ApiError:
    """460, which tus has for it: the body is not what its checksum says."""
    return ApiError(460, "checksum_mismatch", "the body does not have that checksum: it was not kept")


def unavailable(message: str) -> ApiError:
    """503: can't be done just now, through no fault of the client."""
    return ApiError(503, "unavailable", message)


def internal() -> ApiError:
    """500: our fault; the log says what, the client is not told."""
    return ApiError(500, "internal", "internal error")
