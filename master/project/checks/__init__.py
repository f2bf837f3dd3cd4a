"""Checks of a locustfile before the start: what it asks of Locust that piswarm does not do is refused or warned of.

`all_checks.py` runs them all. `source_checks.py` and `names.py` read the source and are pure; `import_checks.py` looks at
what the import gave, `environment_checks.py` at files, configuration and environment variables.
"""
