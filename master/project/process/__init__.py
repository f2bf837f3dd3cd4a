"""The process in which the operator's Python runs on the controller's machine: the master side of a Locust project.

The controller itself imports nothing of the operator's. `project_process.py` is its end; `__main__.py` is the child, which
imports the project once, says what is in it (`facts.py`), and stays. `messages.py` is what both say to each other, over a
socket of their own (`channel.py`): standard output and standard error are the locustfile's.
"""
