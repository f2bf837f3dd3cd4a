"""Tracing: a sampled share of the HTTP requests as OpenTelemetry spans, sent to a collector by a process of its own."""
