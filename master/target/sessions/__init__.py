"""Remote-desktop sessions, and the chunks that they record."""
