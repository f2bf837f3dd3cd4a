"""The embedded target: a small remote-desktop gateway to put load on, run as a process of its own.

`python -m master.target` starts it. It imports nothing of the rest of the project, so that what generates the load and
what bears it can't lean on each other. It does the work such a gateway does for real (password hashing, signed tokens,
compression, encryption, a database) and counts every request it answers, so that a generator's count can be checked.

It is a demo: its accounts share one password, made anew for each run, and its data are gone when it ends. It speaks plain HTTP: keep it
in the lab's network.
"""

__version__ = "1"
