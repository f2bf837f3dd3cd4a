"""A run's figures for Prometheus: `state` at one moment, its `families` by name and unit, and the `server` of a run that is on."""
