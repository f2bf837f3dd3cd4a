"""Users of databases: each looks up by index, queries, and makes a transaction, over a pool that the users of a process share.

`users` holds the classes, `workload` what they do, as SQL and without any driver. The drivers of PostgreSQL, Redis and MongoDB are
the extra `database`, and are imported when a user of theirs is made: a node without them runs everything else.
"""
