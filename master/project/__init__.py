"""The Locust project that a scenario brings. `scenario_loading.py` reads a scenario together with it; `checks/` looks at it before the start."""
