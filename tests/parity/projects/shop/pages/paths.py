"""Paths that the users ask for."""

ORDERS = "/orders"
