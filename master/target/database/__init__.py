"""Where the domains keep their rows: SQLite by default, PostgreSQL by a URL, by the same SQL."""
