"""The Locust project of a run on a node's own disk: fetched from the controller in parts, cached by its hash, unpacked for the workers.

`delivery.py` goes through all of it for an agent, a short step at a time; `cache.py` has archives and partial ones, `unpacking.py`
is strict about what an archive may hold, `folders.py` has the folders that workers import from.
"""
