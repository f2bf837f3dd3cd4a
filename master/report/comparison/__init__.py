"""A comparison of two runs, as people read it: in a terminal, and as Markdown."""
