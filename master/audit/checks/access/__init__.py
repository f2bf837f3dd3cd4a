"""Who may do what, and whether it is noted and bounded."""
