"""What answers say, and what they let browsers and caches do."""
