"""The live page: a process of its own that reads run.db and starts runs as child processes. Nothing of it can hold up a run."""
