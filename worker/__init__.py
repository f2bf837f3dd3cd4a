"""What runs on a node: agent, Locust worker runner, users, telemetry, and the language both ends of the wire speak.

Nothing here imports `master`: a node carries this package alone.
"""

__version__ = "0.1.0"
