"""Node releases: from the lock file to wheels to one compressed archive per platform."""
