"""The process that runs a node's worker, and what keeps its event loop honest: exact timers, no long garbage collections."""
