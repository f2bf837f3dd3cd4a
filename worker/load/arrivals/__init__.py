"""Arrivals of the open model on a worker: when each is due, which are its own, and starting them on free users."""
