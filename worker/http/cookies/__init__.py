"""Cookies as RFC 6265 has them: `set_cookie` reads what a server sets, `jar` keeps it and says what is sent back.

Internal: a user's jar is its client's `cookiejar`.
"""
