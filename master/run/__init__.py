"""A run from beginning to end: its processes, its load, what arrives from the fleet, what a person sees of it."""
