"""SSH: by which way a host is reached, and one connection to it whose host key is always checked."""
