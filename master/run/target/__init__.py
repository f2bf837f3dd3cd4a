"""What a run learns of its target beside the answers: what its process uses here, and what it counts of its caches."""
