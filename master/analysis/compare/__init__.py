"""Comparing a run with a baseline: figure by figure, with intervals that hold for all of them together."""
