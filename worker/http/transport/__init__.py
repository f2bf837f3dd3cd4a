"""Connections, and what travels over them: sockets, TLS, time limits, and the clock that latency is taken from.

pool ─► connect ─► connection (socket, tls, kernel_timestamps) ─► stream

Internal: users of this project import worker.http.
"""
