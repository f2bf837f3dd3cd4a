"""What sign-in has to remember beyond a restart, in the database or in Redis."""
