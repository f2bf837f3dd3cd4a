"""Judging the target: thresholds, the metrics they are on, and the margin the generator leaves them. Pure."""
