"""What can be concluded from runs that have ended: read from their directories, worked out without clock, socket or Locust."""
