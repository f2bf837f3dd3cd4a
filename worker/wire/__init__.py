"""What node and controller say to each other: every message, the orders of processes, and the encryption. Both ends read it."""
