"""The users of the load profiles: who they are, what they do, how long they pause, and how they check what they get.

`lucid` has the users of a remote-desktop platform, `streamgate` those of a service that takes in media and streams them, with the
same accounts, and `database` those of databases; `measured` counts requests that are no HTTP.
"""
