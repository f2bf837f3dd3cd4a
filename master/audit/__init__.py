"""Security audit of a target that the operator owns: proof of ownership, bounded requests, checks, findings."""
