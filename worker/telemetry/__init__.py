"""Telemetry of a node: CPU, memory, network, temperature, throttling, and the facts of its board and software."""
