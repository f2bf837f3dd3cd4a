"""Taking in what arrives from the fleet: agents, samples, reports; the latest seconds, and the rules that may end a run by them."""
