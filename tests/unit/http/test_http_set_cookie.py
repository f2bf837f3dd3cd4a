"""Set-Cookie lines are read as RFC 6265 has it: dates in every form, hosts, paths, and which lines set no cookie."""

from __future__ import annotations

from datetime import UTC, datetime
from http.cookiejar import Cookie

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.http.cookies.set_cookie import domain_matches, parse_date, parse_set_cookie, path_matches

NOW_S = 1_800_000_000


def said(line: str, host: str = "www.shop.example", path: str = "/a/b") -> Cookie | None:
    return parse_set_cookie(line, host, path, NOW_S)


EPOCH_IN = [
    "Thu, 01 Jan 1970 00:00:00 GMT",
    "Thu, 01-Jan-1970 00:00:00 GMT",
    "Thu, 01-Jan-70 00:00:00 GMT",
    "Thursday, 01-Jan-70 00:00:00 GMT",
    "Thu Jan  1 00:00:00 1970",
    "Thu Jan 01 1970 00:00:00 GMT+0000 (Coordinated Universal Time)",
    "Thu, 01 January 1970 00:00:00 GMT",
    "Thu Jan 01 00:00:00 GMT 1970",
    "Thu, 01 Jan 1970 00:00:00 UTC",
    "Thu, 01 Jan 1970 00:00:00 EST",
    "01 Jan 1970 00:00:00",
    "1 jan 1970 0:0:0",
    '"Thu, 01 Jan 1970 00:00:00 GMT"',
    "1970 Jan 1 00:00:00",
]


@pytest.mark.parametrize("text", EPOCH_IN)
def test_a_date_is_read_in_all_forms_that_servers_send(text: str) -> None:
    """Dates are read with any delimiters between their parts and with any zone, which is ignored (RFC 6265 5.1.1)."""
    assert parse_date(text) == 0


@pytest.mark.parametrize(
    ("year", "full"), [("70", 1970), ("76", 1976), ("94", 1994), ("99", 1999), ("00", 2000), ("68", 2068), ("69", 2069)]
)
def test_a_year_of_two_digits_is_between_1970_and_2069(year: str, full: int) -> None:
    """A year of two digits from 70 on is in the 20th century, below that in the 21st (RFC 6265 5.1.1)."""
    assert parse_date(f"Sun, 05-Aug-{year} 00:00:00 GMT") == datetime(full, 8, 5, tzinfo=UTC).timestamp()


FORMS = [
    "%a, %d %b %Y %H:%M:%S GMT",
    "%A, %d-%b-%y %H:%M:%S GMT",
    "%a %b %d %H:%M:%S %Y",
    "%a %b %d %Y %H:%M:%S GMT+0000",
]


@given(st.integers(0, int(datetime(2069, 12, 31, tzinfo=UTC).timestamp())), st.sampled_from(FORMS))
def test_a_date_is_what_it_was_made_of(seconds: int, form: str) -> None:
    assert parse_date(datetime.fromtimestamp(seconds, UTC).strftime(form)) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "-1",
        "never",
        "Thu, 01 Jan 1970",
        "01 Jan 00:00:00",
        "1970 00:00:00 Jan",
        "Thu, 00 Jan 1970 00:00:00",
        "Thu, 31 Feb 2050 00:00:00 GMT",
        "Thu, 01 Jan 1600 00:00:00 GMT",
        "Thu, 01 Jan 1970 24:00:00 GMT",
        "Thu, 01 Jan 1970 00:60:00 GMT",
        "Thu, 01 Jan 1970 00:00:60 GMT",
        "Fri, 99 Foo 99999 99:99:99 GMT",
        "\u0661 Jan 1970 00:00:00",
    ],
)
def test_what_is_no_date_is_none(text: str) -> None:
    """A date that is none leaves a cookie for the session."""
    assert parse_date(text) is None
    cookie = said(f"a=1; Expires={text}")
    assert cookie is not None
    assert (cookie.expires, cookie.discard) == (None, True)


@given(st.text(max_size=60))
def test_any_text_is_a_date_or_none(text: str) -> None:
    seconds = parse_date(text)
    assert seconds is None or isinstance(seconds, int)


@given(st.text(max_size=80), st.sampled_from(["a=1; ", "a=1; Max-Age=", "a=1; Domain=", ""]))
def test_any_line_is_a_cookie_or_none(text: str, before: str) -> None:
    cookie = said(before + text)
    assert cookie is None or cookie.name


YEARS_300_S = 10**10


@pytest.mark.parametrize(
    ("attributes", "expires"),
    [
        ("Max-Age=60", NOW_S + 60),
        ('Max-Age="60"', NOW_S + 60),
        ("max-age = 060 ", NOW_S + 60),
        ("Max-Age=0", 0),
        ("Max-Age=-60", 0),
        (f"Max-Age={'9' * 400}", NOW_S + YEARS_300_S),
        ("Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", NOW_S + 60),
        ("Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60", NOW_S + 60),
        ("Max-Age=0; Max-Age=60", NOW_S + 60),
        ("Max-Age=60; Max-Age=soon", NOW_S + 60),
        ("Max-Age; Expires=Thu, 01 Jan 1970 00:00:01 GMT", 1),
        ("Max-Age=", None),
        ("Max-Age=+60", None),
        ("Max-Age=6e1", None),
        ("Max-Age=60.5", None),
        ("Max-Age=\u0661", None),
        ("; ;=;", None),
    ],
)
def test_when_a_cookie_ends(attributes: str, expires: int | None) -> None:
    """Max-Age goes before Expires; what is none of either is ignored (RFC 6265 5.2.1, 5.2.2)."""
    cookie = said(f"a=1; {attributes}")
    assert cookie is not None
    assert cookie.expires == expires


@pytest.mark.parametrize(
    ("host", "attribute", "domain"),
    [
        ("www.shop.example", "", "www.shop.example"),
        ("www.shop.example", "Domain", "www.shop.example"),
        ("www.shop.example", "Domain=", "www.shop.example"),
        ("www.shop.example", "Domain=other.example; Domain=SHOP.example", ".shop.example"),
        ("www.shop.example", "Domain=.shop.example", ".shop.example"),
        ("www.shop.example", "Domain=www.shop.example", ".www.shop.example"),
        ("www.shop.example", "Domain=example", None),
        ("www.shop.example", "Domain=op.example", None),
        ("www.shop.example", "Domain=a.www.shop.example", None),
        ("www.shop.example", 'Domain=".shop.example"', None),
        ("www.shop.example", "Domain=..shop.example", None),
        ("localhost", "Domain=localhost", "localhost"),
        ("localhost", "Domain=.localhost", "localhost"),
        ("localhost", "Domain=local", None),
        ("localhost", "Domain=host", None),
        ("a.localhost", "Domain=localhost", None),
        ("127.0.0.1", "Domain=127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "Domain=0.0.1", None),
        ("::1", "Domain=::1", "::1"),
    ],
)
def test_for_which_hosts_a_cookie_is(host: str, attribute: str, domain: str | None) -> None:
    """A cookie is for its host alone, or for all below a domain that its host belongs to, which has a dot before it in the jar."""
    cookie = said(f"a=1; {attribute}", host)
    assert (cookie and cookie.domain) == domain


@pytest.mark.parametrize(
    ("asked", "attribute", "path"),
    [
        ("/a/b", "", "/a"),
        ("/a/", "", "/a"),
        ("/a", "", "/"),
        ("/", "Path", "/"),
        ("/a/b", "Path=", "/a"),
        ("/a/b", "Path=c", "/a"),
        ("/a/b", "Path=/c", "/c"),
        ("/a/b", 'Path="/c"', "/c"),
        ("/a/b", f"Path=/{'c' * 2000}", "/a"),
    ],
)
def test_for_which_paths_a_cookie_is(asked: str, attribute: str, path: str) -> None:
    """A cookie is for the paths below the one that it names, or below the folder of the request (RFC 6265 5.1.4)."""
    cookie = said(f"a=1; {attribute}", path=asked)
    assert cookie is not None
    assert cookie.path == path


@pytest.mark.parametrize(
    ("line", "pair"),
    [
        ("a=1", ("a", "1")),
        (" a = 1 ; Secure", ("a", "1")),
        ("a=", ("a", "")),
        ("a=b=c", ("a", "b=c")),
        ('a="x y"', ("a", '"x y"')),
        ("a=1, b=2", ("a", "1, b=2")),
        ("a=\xe4", ("a", "\xe4")),
        ("__Host-a=1; Secure; Path=/", ("__Host-a", "1")),
        ("a", None),
        ("=1", None),
        ("", None),
        (";a=1", None),
        ("a=1\x012", None),
        ("a\x7f=1", None),
        ("__Secure-a=1", None),
        ("__Host-a=1; Secure; Path=/; Domain=www.shop.example", None),
        ("__Host-a=1; Secure; Path=/b", None),
    ],
)
def test_the_name_and_value_of_a_cookie(line: str, pair: tuple[str, str] | None) -> None:
    """Name and value of a cookie are what stands there, without the spaces around; a line without either sets none, nor does one that breaks its prefix's promise."""
    cookie = said(line)
    assert (cookie and (cookie.name, cookie.value)) == pair


def test_what_else_a_cookie_says() -> None:
    cookie = said("a=1; secure; HTTPONLY; samesite=Lax; Port=80; Version=1; Comment=c")
    assert cookie is not None
    assert (cookie.secure, cookie.has_nonstandard_attr("HttpOnly"), cookie.get_nonstandard_attr("SameSite")) == (
        True,
        True,
        "Lax",
    )
    assert (cookie.port, cookie.version) == (None, 0)


@pytest.mark.parametrize(
    ("path", "cookie_path", "matches"),
    [("/", "/", True), ("/a", "/", True), ("/a", "/a", True), ("/a/b", "/a", True), ("/ab", "/a", False), ("/a", "/a/", False)],
)  # fmt: skip
def test_which_paths_are_below_another(path: str, cookie_path: str, *, matches: bool) -> None:
    assert path_matches(path, cookie_path) == matches


@pytest.mark.parametrize(
    ("host", "domain", "matches"),
    [("a.b", "a.b", True), ("c.a.b", "a.b", True), ("ca.b", "a.b", False), ("b", "a.b", False), ("1.2.3.4", "3.4", False)],
)  # fmt: skip
def test_which_hosts_are_below_another(host: str, domain: str, *, matches: bool) -> None:
    assert domain_matches(host, domain) == matches
