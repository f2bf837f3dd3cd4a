"""How validators agree on the next block, and how one that knows less catches up."""
