"""The run's metrics sent to an OpenTelemetry collector, by the names that Prometheus has them under, from a process of its own."""
