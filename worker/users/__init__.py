"""The users of the load profiles: who they are, what they do, how long they pause, and how they check what they get.

`lucid` holds the remote-desktop platform's users; `base` what they share. The other files hold what needs no Locust and
can be tested without it.
"""
