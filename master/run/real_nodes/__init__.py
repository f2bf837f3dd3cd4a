"""The real nodes of a run: which hosts of the inventory take part, and which of them are revoked meanwhile."""
