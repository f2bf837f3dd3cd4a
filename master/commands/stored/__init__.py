"""Commands that read runs that have ended."""
