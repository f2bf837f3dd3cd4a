"""RDP servers: allocated on registered nodes, started as real listeners, tested, monitored and stopped.

A server answers the first step of the RDP connection sequence as [MS-RDPBCGR] lays it down: TPKT, the X.224 Connection
Request and Confirm, and the security negotiation within. It shows no desktop: what comes after is framed, counted and
dropped.
"""
