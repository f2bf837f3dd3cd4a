"""The users of Lucid, a remote-desktop platform: `users` holds the classes; the other modules need no Locust, but for `base`."""
