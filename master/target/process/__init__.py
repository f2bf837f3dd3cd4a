"""The target as a process: where its files are, when it ends."""
