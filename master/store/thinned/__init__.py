"""What run.db keeps of seconds that are no longer kept one by one: columns, packs of them, and spans of requests. Pure."""
