"""The one process per node that supervises its workers and samples its hardware."""
