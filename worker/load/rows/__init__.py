"""Data rows on a worker: what the controller has leased to it, and who of its users takes which."""
