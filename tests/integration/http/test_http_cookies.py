"""Cookies of the HTTP user: which are sent, where and when, and that each user has its own."""

from __future__ import annotations

from collections.abc import Iterator
from http.cookiejar import Cookie

import pytest
from http_server import Server, Visitor, redirect, reply

from worker.http.protocol import response_head as heads
from worker.http.protocol.url import parse_url


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as started:
        started.on("/", reply())
        yield started


def cookies(server: Server) -> dict[str, str]:
    """The cookies of the last request."""
    header = server.requests[-1]["Cookie"]
    return dict(pair.split("=", 1) for pair in header.split("; ")) if header else {}


def set_by(server: Server, path: str, *values: str) -> None:
    """Let the response at `path` set cookies."""
    server.on(path, reply("", *(f"Set-Cookie: {value}" for value in values)))


def cookie(name: str, value: str, domain: str = "127.0.0.1", path: str = "/", expires: int | None = None) -> Cookie:
    """A cookie as a task would put it into the jar."""
    return Cookie(
        0, name, value, None, False, domain, False, False, path, True, False, expires, expires is None, None, None, {}
    )  # fmt: skip


def test_a_cookie_comes_back(server: Server, user: Visitor) -> None:
    """A cookie is sent with each request, whatever its method, until the server sets another."""
    set_by(server, "/login", "session=abc; HttpOnly; SameSite=Lax")
    user.client.post("/login")
    for method in ("GET", "POST", "DELETE"):
        user.client.request(method, "/")
        assert cookies(server) == {"session": "abc"}
    set_by(server, "/login", "session=def==")
    user.client.post("/login")
    user.client.get("/")
    assert cookies(server) == {"session": "def=="}


def test_each_line_sets_a_cookie(server: Server, user: Visitor) -> None:
    """Each Set-Cookie line sets one cookie; a comma in a date does not end it."""
    set_by(server, "/login", "a=1; Expires=Fri, 01 Jan 2100 00:00:00 GMT", "b=2; Max-Age=3600", 'c="x y"')
    user.client.get("/login")
    user.client.get("/")
    assert cookies(server) == {"a": "1", "b": "2", "c": '"x y"'}


def test_a_failed_request_may_set_a_cookie_too(server: Server, user: Visitor) -> None:
    server.on("/login", reply("", "Set-Cookie: a=1", status="401 Unauthorized"))
    user.client.get("/login")
    user.client.get("/")
    assert cookies(server) == {"a": "1"}


def test_cookies_of_one_user_are_not_those_of_another(server: Server, user: Visitor) -> None:
    other = server.visitor()
    server.on("/login", reply("", "Set-Cookie: who=first"), reply("", "Set-Cookie: who=second"))
    user.client.get("/login")
    other.client.get("/login")
    server.visitor().client.get("/")
    assert cookies(server) == {}
    for visitor, name in ((user, "first"), (other, "second")):
        visitor.client.get("/")
        assert cookies(server) == {"who": name}


@pytest.mark.parametrize(
    ("given", "asked", "comes"),
    [
        ("/shop", "/shop", True),
        ("/shop", "/shop/cart", True),
        ("/shop", "/shop?a=1", True),
        ("/shop", "/shopping", False),
        ("/shop", "/", False),
        ("/", "/any/where", True),
    ],
)
def test_a_cookie_stays_on_its_path(server: Server, user: Visitor, given: str, asked: str, *, comes: bool) -> None:
    set_by(server, "/shop", f"a=1; Path={given}")
    user.client.get("/shop")
    user.client.get(asked)
    assert cookies(server) == ({"a": "1"} if comes else {})


def test_a_cookie_without_a_path_stays_where_it_was_set(server: Server, user: Visitor) -> None:
    """A cookie without a path is for the folder of the request that set it."""
    set_by(server, "/shop/cart", "a=1")
    user.client.get("/shop/cart")
    for path, comes in (("/shop/pay", True), ("/", False)):
        user.client.get(path)
        assert cookies(server) == ({"a": "1"} if comes else {})


@pytest.mark.parametrize("domain", ["example.com", ".example.com", "com"])
def test_a_cookie_for_somebody_else_is_not_taken(server: Server, user: Visitor, domain: str) -> None:
    set_by(server, "/login", f"a=1; Domain={domain}")
    user.client.get("/login")
    user.client.get("/")
    assert cookies(server) == {}
    assert list(user.client.cookiejar) == []


@pytest.mark.parametrize("domain", ["localhost", ".localhost", "LOCALHOST"])
def test_a_cookie_whose_domain_is_a_host_without_dots_comes_back(server: Server, domain: str) -> None:
    """A cookie whose domain is a host without dots comes back to that host alone (RFC 6265 5.3, step 5), and can be removed again."""
    user = server.visitor(host=server.url.replace("127.0.0.1", "localhost"))
    set_by(server, "/login", f"a=1; Domain={domain}")
    set_by(server, "/logout", f"a=; Domain={domain}; Expires=Thu, 01-Jan-70 00:00:01 GMT")
    user.client.get("/login")
    user.client.get("/")
    assert cookies(server) == {"a": "1"}
    user.client.get(server.url + "/")
    assert cookies(server) == {}
    user.client.get("/logout")
    user.client.get("/")
    assert cookies(server) == {}


@pytest.mark.parametrize("domain", ["127.0.0.1", ".127.0.0.1"])
def test_a_cookie_whose_domain_is_the_address_of_its_host_comes_back(
    server: Server, user: Visitor, domain: str
) -> None:
    set_by(server, "/login", f"a=1; Domain={domain}")
    user.client.get("/login")
    user.client.get("/")
    assert cookies(server) == {"a": "1"}


def test_a_cookie_is_for_the_hosts_below_its_domain(user: Visitor) -> None:
    """A cookie is for all hosts below its domain, without one for its host alone; one with an empty domain, put there by a task, for any."""
    jar = user.client.cookiejar
    head = heads.parse(
        b"HTTP/1.1 200 OK\r\nSet-Cookie: all=1; Domain=shop.example\r\nSet-Cookie: one=2\r\n"
        b"Set-Cookie: top=3; Domain=example\r\nSet-Cookie: other=4; Domain=b.shop.example\r\n\r\n"
    )
    jar.extract(head, parse_url("http://a.shop.example/"))
    jar.set_cookie(cookie("any", "5", domain=""))
    sent = {
        host: jar.header_for(parse_url(f"http://{host}/"))
        for host in ("a.shop.example", "b.shop.example", "shop.example", "workshop.example", "x.a.shop.example")
    }
    assert sent == {
        "a.shop.example": "all=1; one=2; any=5",
        "b.shop.example": "all=1; any=5",
        "shop.example": "all=1; any=5",
        "workshop.example": "any=5",
        "x.a.shop.example": "all=1; any=5",
    }


def test_cookies_of_longer_paths_come_first(server: Server, user: Visitor) -> None:
    """Cookies of longer paths are sent first (RFC 6265 5.4)."""
    set_by(server, "/login", "a=1; Path=/", "b=2; Path=/shop/cart", "c=3; Path=/shop")
    user.client.get("/login")
    user.client.get("/shop/cart/17")
    assert server.requests[-1]["Cookie"] == "b=2; c=3; a=1"


def test_a_cookie_is_not_shown_to_another_host(server: Server, user: Visitor) -> None:
    """A cookie is not sent to another host; each host has its own, also of one name."""
    with Server("127.0.0.2") as other:
        set_by(other, "/login", "a=other")
        set_by(server, "/login", "a=own")
        user.client.get("/login")
        user.client.get(other.url + "/login")
        assert cookies(other) == {}
        user.client.get(other.url + "/")
        assert cookies(other) == {"a": "other"}
        user.client.get("/")
        assert cookies(server) == {"a": "own"}


def test_a_secure_cookie_is_not_sent_in_the_clear(server: Server, user: Visitor) -> None:
    set_by(server, "/login", "a=1; Secure", "b=2")
    user.client.get("/login")
    user.client.get("/")
    assert cookies(server) == {"b": "2"}


@pytest.mark.parametrize(
    "end",
    [
        "Max-Age=0",
        "Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        "Expires=Thursday, 01-Jan-70 00:00:00 GMT",
        "Expires=Thu Jan  1 00:00:00 1970",
        "Expires=Thu Jan 01 1970 00:00:00 GMT+0000 (Coordinated Universal Time)",
    ],
)
def test_a_cookie_that_has_ended_is_gone(server: Server, user: Visitor, end: str) -> None:
    """An expired cookie is removed, which is how servers delete them."""
    set_by(server, "/login", "a=1", "b=2")
    set_by(server, "/logout", f"a=; {end}")
    user.client.get("/login")
    user.client.get("/logout")
    assert cookies(server) == {"a": "1", "b": "2"}
    user.client.get("/")
    assert cookies(server) == {"b": "2"}


def test_the_jar_of_a_user_can_be_filled_and_emptied(server: Server, user: Visitor) -> None:
    """A task can fill and empty the jar, a CookieJar of the standard library, at any time."""
    jar = user.client.cookiejar
    user.client.get("/")
    jar.set_cookie(cookie("a", "1"))
    jar.set_cookie(cookie("old", "2", expires=1))
    jar.set_cookie(cookie("elsewhere", "3", domain="127.0.0.2"))
    user.client.get("/")
    assert cookies(server) == {"a": "1"}
    assert {each.name for each in jar} == {"a", "elsewhere"}
    jar.set_cookie(cookie("a", "4"))
    user.client.get("/")
    assert cookies(server) == {"a": "4"}
    jar.clear("127.0.0.1", "/", "a")
    user.client.get("/")
    assert cookies(server) == {}
    jar.set_cookie(cookie("a", "5"))
    jar.clear()
    user.client.get("/")
    assert cookies(server) == {}
    assert len(jar) == 0


def test_session_cookies_can_be_dropped(server: Server, user: Visitor) -> None:
    """Session cookies can be dropped, as when a browser ends."""
    set_by(server, "/login", "session=1", "kept=2; Max-Age=3600")
    user.client.get("/login")
    user.client.get("/")
    user.client.cookiejar.clear_session_cookies()
    user.client.get("/")
    assert cookies(server) == {"kept": "2"}


def test_a_cookie_header_of_the_task_is_sent(server: Server, user: Visitor) -> None:
    """A Cookie header of the task is sent with that request alone."""
    user.client.get("/", headers={"Cookie": "own=1"})
    assert cookies(server) == {"own": "1"}
    set_by(server, "/login", "jar=1")
    user.client.get("/login")
    user.client.get("/", headers={"cookie": "own=1"})
    assert cookies(server)["own"] == "1"
    user.client.get("/")
    assert cookies(server) == {"jar": "1"}


def test_cookies_set_on_the_way_are_sent_on(server: Server, user: Visitor) -> None:
    """Cookies that redirects set are sent with the following steps, to the hosts that they are for."""
    with Server("127.0.0.2") as other:
        server.on("/start", redirect(302, "/second", "Set-Cookie: a=1"))
        server.on("/second", redirect(302, other.url + "/", "Set-Cookie: b=2", "Set-Cookie: a=; Max-Age=0"))
        other.on("/", redirect(302, server.url + "/", "Set-Cookie: c=3"))
        user.client.get("/start")
        assert [request["Cookie"] for request in server.requests] == [None, "a=1", "b=2"]
        assert [request["Cookie"] for request in other.requests] == [None]
    assert {each.name for each in user.client.cookiejar} == {"b", "c"}


def test_a_jar_that_is_full_still_renews_what_it_has(server: Server, user: Visitor) -> None:
    """A full jar replaces cookies that it has and takes no new ones, so that a server can't fill the memory or end a session."""
    set_by(server, "/login", "session=old")
    user.client.get("/login")
    for number in range(0, 1000, 20):
        set_by(server, "/more", *(f"junk{each}=1" for each in range(number, number + 20)))
        user.client.get("/more")
    set_by(server, "/login", "session=new")
    user.client.get("/login")
    user.client.get("/")
    assert cookies(server)["session"] == "new"
