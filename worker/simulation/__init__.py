"""Simulated nodes: thermal models, sensors and cores of boards that are not there. A real node imports nothing of it."""
