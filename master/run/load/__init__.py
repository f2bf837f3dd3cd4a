"""Putting on the load: arrivals of the open model, and a locustfile's load shape."""
