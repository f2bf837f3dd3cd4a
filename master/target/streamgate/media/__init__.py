"""What there is to stream: metadata, search, and the bytes."""
