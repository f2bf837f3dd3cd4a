"""What the target makes of hostile input."""
