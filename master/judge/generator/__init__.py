"""Judging the generator: the validity checks. Pure."""
