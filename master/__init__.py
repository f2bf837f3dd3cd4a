"""The controller: turns a scenario into a run, and a run into a verdict."""
