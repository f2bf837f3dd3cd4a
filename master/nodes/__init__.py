"""`piswarm nodes`: how the nodes of a run are now, from its run.db, which this only reads. Starts fast: no Locust, no gevent."""
