"""Seconds of a run: which are fit to be judged and why not, and what several of them come to. Pure."""
