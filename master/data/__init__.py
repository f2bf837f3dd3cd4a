"""Data rows: tables that users take rows of, read here and leased to the workers of the fleet."""
