"""Trends: every metric of every endpoint over runs in order of time, and where one changed for good."""
