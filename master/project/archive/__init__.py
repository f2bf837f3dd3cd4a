"""The files of a Locust project, as nodes get them.

`files.py` says which files those are: all of the folder that `project` names but what `ignored.py` leaves out, or what the
locustfiles import and name (`imported.py`). `packing.py` makes the archive, `parts.py` hands it out to agents.
"""
