"""The users of Lucid, a remote-desktop platform: `users` has them all, `*_user` one or two each, `base` what they share.

The other modules need no Locust: `accounts`, `replies` (what is expected of an answer), `screen_chunks`, `merkle_proof`, `rdp`.
"""
