"""Load schedules: which stage a run is in at an offset, how many users or arrivals it asks for, and who makes the arrivals. Pure."""
