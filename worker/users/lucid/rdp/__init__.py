"""Opening an RDP connection: `connection` has its first packets and no I/O, `client` sends them."""
