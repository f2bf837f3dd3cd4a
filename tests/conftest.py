"""For all tests: importing Locust must not patch this process for gevent; the processes that tests start are to be patched."""

from __future__ import annotations

import os

os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"
import locust  # noqa: F401

del os.environ["LOCUST_SKIP_MONKEY_PATCH"]

from hypothesis import settings  # Locust comes first

# How long an example takes says nothing on a machine that does other things.
settings.register_profile("piswarm", deadline=None)
settings.load_profile("piswarm")
