"""The fleet as the controller sees it: the encrypted port, the Locust master behind it, and what is known of each node."""
