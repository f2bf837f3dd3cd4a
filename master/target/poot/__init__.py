"""PoOT, proof of operational tasks: trust that nodes earn by the work they did, and what they are paid for it."""
