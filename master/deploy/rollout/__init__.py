"""The same work on many hosts: canaries, batches, a pool with limits, and what became of each host."""
