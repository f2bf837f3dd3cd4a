"""Who may see and do what on the live page: hosts and origins, logins and their sessions, headers, certificates."""
