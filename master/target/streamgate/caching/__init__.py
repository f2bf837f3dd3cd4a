"""Answers that are read often, kept in memory."""
