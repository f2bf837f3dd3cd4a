"""The services that a target is made of: described in files, ordered by what they depend on, and asked whether they are healthy."""
