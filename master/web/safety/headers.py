"""Headers of answers: what a browser may load, run and keep. Pure."""

from __future__ import annotations

COMMON = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of the page: nothing from elsewhere, and no code or style within the text."""
REPORT_POLICY = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline' blob:; style-src 'unsafe-inline'; "
    "img-src data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""That of a report, which is one file with its code within: it is an origin of its own, and can ask this server for nothing."""
TLS_ONLY = {"Strict-Transport-Security": "max-age=31536000"}


def headers_of(path: str, *, tls: bool) -> dict[str, str]:
    """The headers of an answer to a request for `path`."""
    policy = REPORT_POLICY if path.endswith("/report") else PAGE_POLICY
    found = COMMON | {"Content-Security-Policy": policy}
    if path.startswith("/static/"):
        found["Cache-Control"] = "no-cache"  # asked for each time whether it has changed
    return found | (TLS_ONLY if tls else {})
