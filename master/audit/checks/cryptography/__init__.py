"""TLS, secrets, hashes, random values, and what is known of dependencies."""
