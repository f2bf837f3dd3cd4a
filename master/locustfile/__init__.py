"""What a locustfile asks of Locust that piswarm does not do: found before the start, and refused or warned of by name.

`check.py` puts it together. `source.py` and `elsewhere.py` read the source and are pure; `imported.py` looks at what the
import gave; `around.py` at files, configuration and environment beside it.
"""
