"""Load schedules: which stage a run is in at an offset, and how many users it asks for. Pure."""
