"""Spans on their way through the pipe, and which requests are sampled."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.tracing.span import (
    LOW_64,
    MAX_FRAME_BYTES,
    FrameReader,
    Span,
    sampling_bound,
    to_frame,
    traceparent,
    traces_url,
)

ids = st.integers(0, LOW_64)
spans = st.builds(
    Span,
    worker=st.text(max_size=20),
    trace_id=st.tuples(ids, ids),
    span_id=ids,
    start_ns=st.integers(0, 1 << 62),
    end_ns=st.integers(0, 1 << 62),
    method=st.text(max_size=10),
    url=st.text(max_size=300),
    host=st.text(max_size=30),
    port=st.integers(0, 65535),
    template=st.text(max_size=100),
    status=st.integers(0, 999),
    error=st.text(max_size=30),
    reason=st.text(max_size=100),
)


@given(st.lists(spans, max_size=5), st.integers(1, 700))
def test_spans_come_out_of_the_pipe_as_they_went_in(sent: list[Span], piece: int) -> None:
    """Whatever the pieces in which the bytes are read."""
    data = b"".join(map(to_frame, sent))
    reader = FrameReader()
    received = [span for at in range(0, len(data), piece) for span in reader.feed(data[at : at + piece])]
    assert received == sent


@given(spans, st.integers(0, 100_000))
def test_a_frame_is_written_as_a_whole_however_long_its_texts_are(span: Span, length: int) -> None:
    """The longest frame is what a pipe takes at once; ids, times and status are never cut."""
    long = msgspec.structs.replace(span, url="€" * length, template="€" * length, reason="€" * length, worker="€" * 99)
    frame = to_frame(long)
    assert len(frame) <= MAX_FRAME_BYTES
    (read,) = FrameReader().feed(frame)
    assert (read.trace_id, read.span_id, read.start_ns, read.status) == (
        span.trace_id,
        span.span_id,
        span.start_ns,
        span.status,
    )
    assert long.url.startswith(read.url)


def test_the_header_is_that_of_trace_context() -> None:
    """The example of W3C Trace Context 3.2.5: version, trace, span, flags."""
    trace_id = (0x4BF92F3577B34DA6, 0xA3CE929D0E0E4736)
    assert traceparent(trace_id, 0x00F067AA0BA902B7) == "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize("percent", [0.01, 1.0, 12.5, 50.0, 100.0])
def test_the_share_of_sampled_traces_is_what_was_asked_for(percent: float) -> None:
    """Of all ids, so many percent are below the bound."""
    assert sampling_bound(percent) / (LOW_64 + 1) == pytest.approx(percent / 100)


def test_others_sample_the_same_traces() -> None:
    """A target that samples by OpenTelemetry's ratio keeps the traces that are kept here."""
    from opentelemetry.sdk.trace.sampling import TraceIdRatioBased  # noqa: PLC0415

    dice = random.Random(1)
    bound, theirs = sampling_bound(12.5), TraceIdRatioBased(0.125)
    for _ in range(2000):
        trace_id = dice.getrandbits(128)
        assert (trace_id & LOW_64 < bound) == theirs.should_sample(None, trace_id, "").decision.is_sampled()


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://a:4318", "http://a:4318/v1/traces"),
        ("http://a:4318/", "http://a:4318/v1/traces"),
        ("https://a/otlp", "https://a/otlp/v1/traces"),
        ("https://a/otlp/v1/traces", "https://a/otlp/v1/traces"),
    ],
)
def test_an_endpoint_is_a_base_to_which_the_path_of_traces_is_added(endpoint: str, url: str) -> None:
    assert traces_url(endpoint) == url
