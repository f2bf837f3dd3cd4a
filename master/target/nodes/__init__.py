"""The platform's nodes: registered, reporting, listed."""
