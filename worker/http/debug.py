"""A request and its responses as text, for somebody who looks for a mistake in a task."""

from __future__ import annotations

from worker.http.call import Call
from worker.http.protocol.response_head import END, Head
from worker.http.response import Response


def conversation(response: Response) -> str:
    """What was sent and received, redirects included, in the form of FastHttpUser's debug_stream; without a streamed body."""
    call, head = response.exchanged
    steps = [_step(past, answer, past.content) for past, answer in call.history]
    if head is not None:
        steps.append(_step(call, head, b"" if call.stream is not None else response.content or b""))
    return "".join(steps)


def _step(call: Call, head: Head, content: bytes) -> str:
    sent = call.sent.decode("latin-1")
    body = call.body.content.decode(errors="replace") + "\n\n" if call.body.content else ""
    return (
        f"REQUEST: {call.parsed_url.url}\n{sent}\r\n\r\n{body}"
        f"RESPONSE: {head.data.removesuffix(END).decode('latin-1')}\n\n{content.decode(errors='replace')}\n\n"
    )
