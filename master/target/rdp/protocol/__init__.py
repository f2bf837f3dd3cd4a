"""The first step of an RDP connection, pure: TPKT frames, X.224's request and confirm, and a server's side of a connection."""
