"""The chain: transactions, blocks that validators agree on by signed votes, and proofs that a transaction is in one."""
