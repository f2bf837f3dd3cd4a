"""Which keys the controller trusts: its own pair, the allowlist of nodes, known host keys, revocations. Each file is changed under a lock."""
