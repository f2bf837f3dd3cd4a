"""One Locust worker: it runs users by order of the master and records what their requests came to."""
