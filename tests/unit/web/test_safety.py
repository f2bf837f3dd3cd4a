"""Who may see and do what on the live page: names, sessions, tries, accounts, certificates, and what may be started."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from master.errors import InputError
from master.web.safety.accounts import Accounts
from master.web.safety.certificates import check_pair, fingerprint, make_certificate
from master.web.safety.headers import PAGE_POLICY, headers_of
from master.web.safety.hosts import OwnNames, is_strangers_fetch, names_of
from master.web.safety.sessions import FREE_TRIES, MAX_SESSIONS, MAX_WAIT_S, SESSION_S, Sessions, TryLimit
from master.web.serve.launch import Launch, directory_name, parse_launch

NAMES = names_of("192.0.2.7", ["Lab.example"])


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1:9640", "[::1]:1", "192.0.2.7:9640", "lab.example", "LAB.example:443"]
)
def test_own_names_are_answered_with_any_port(host: str) -> None:
    """Loopback, the address listened on, and names that were given; a tunnel may have another port."""
    assert NAMES.is_own_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "lab.example.evil",
        "localhost@evil",
        "127.0.0.1.evil",
        "localhost:99999999",
        "a b",
        "lab.example\n",
    ],
)
def test_other_names_are_refused(host: str) -> None:
    """What a browser sends after DNS rebinding is another's name."""
    assert not NAMES.is_own_host(host)


@pytest.mark.parametrize(
    ("origin", "own"),
    [
        ("http://localhost:9640", True),
        (None, False),
        ("null", False),
        ("http://evil.example", False),
        ("http://localhost:9641", False),
        ("file://localhost:9640", False),
        ("http://[localhost:9640", False),
    ],
)
def test_a_change_comes_from_the_page_itself(origin: str | None, own: bool) -> None:
    """Another origin, another port of the same host, a sandboxed frame and no origin at all are not the page."""
    assert OwnNames().is_own_origin(origin, "localhost:9640") is own


@pytest.mark.parametrize(
    ("path", "site", "mode", "strange"),
    [
        ("/api/trend", None, None, False),
        ("/api/trend", "same-origin", "cors", False),
        ("/api/runs", "none", "navigate", False),
        ("/runs/a", "cross-site", "navigate", False),
        ("/api/trend", "cross-site", "no-cors", True),
        ("/api/trend", "same-site", "no-cors", True),
        ("/api/trend", "cross-site", "navigate", True),
        ("/runs/a/report", "cross-site", "no-cors", True),
    ],
)
def test_a_strangers_page_can_not_have_the_server_work(
    path: str, site: str | None, mode: str | None, strange: bool
) -> None:
    """An image of another page whose address is a comparison starts no process; a link from a chat opens the page."""
    assert is_strangers_fetch(path, site, mode) is strange


def tokens() -> Iterator[str]:
    return (f"token{number}" for number in count())


def test_a_session_ends_in_time_or_when_it_is_told_to() -> None:
    """A token is good for a bounded time, and for nothing after signing out; a token that was never given is none."""
    made = tokens()
    sessions = Sessions(lambda: next(made))
    token = sessions.begin("ann", 100.0)
    found = sessions.find(token, 100.0 + SESSION_S - 1)
    assert found is not None
    assert (found.name, found.csrf) == ("ann", "token1")
    assert sessions.find(token, 100.0 + SESSION_S) is None
    other = sessions.begin("ann", 0.0)
    sessions.end(other)
    assert sessions.find(other, 1.0) is None
    assert sessions.find("", 1.0) is None


def test_many_sessions_take_bounded_memory() -> None:
    """The oldest session ends where there are too many."""
    made = tokens()
    sessions = Sessions(lambda: next(made))
    given = [sessions.begin("ann", 0.0) for _ in range(MAX_SESSIONS + 1)]
    assert sessions.find(given[0], 1.0) is None
    assert sessions.find(given[-1], 1.0) is not None


def test_wrong_passwords_cost_longer_and_longer_waits() -> None:
    """After the free tries each wrong one doubles the wait, up to a bound; other addresses and a right one are not held up."""
    limit, now_s = TryLimit(), 0.0
    for _ in range(FREE_TRIES - 1):
        limit.note_wrong("a", now_s)
    assert limit.wait_s("a", now_s) == 0
    waits = []
    for _ in range(10):
        limit.note_wrong("a", now_s)
        waits.append(limit.wait_s("a", now_s))
    assert waits[:3] == [2, 4, 8]
    assert waits[-1] == MAX_WAIT_S
    assert limit.wait_s("b", now_s) == 0
    limit.note_right("a")
    assert limit.wait_s("a", now_s) == 0


def test_accounts_are_kept_as_hashes_for_their_owner_alone(tmp_path: Path) -> None:
    """The file has no password, is read by its owner alone, and tells right from wrong."""
    path = tmp_path / "serve" / "accounts"
    Accounts(path).set_password("ann", "a long password")
    accounts = Accounts(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "a long password" not in path.read_text()
    assert accounts.is_right("ann", "a long password")
    assert not accounts.is_right("ann", "another password")
    assert not accounts.is_right("bob", "nobody has this password")
    path.chmod(0o644)
    with pytest.raises(InputError, match="may be read by others"):
        Accounts(path)


@pytest.mark.parametrize(
    ("name", "password"), [("Ann", "a long password"), ("a:b", "a long password"), ("ann", "short")]
)
def test_an_account_that_is_none_is_refused(tmp_path: Path, name: str, password: str) -> None:
    """Names that would break the file, and short passwords, are refused."""
    with pytest.raises(InputError):
        Accounts(tmp_path / "accounts").set_password(name, password)


def test_a_certificate_is_made_and_named_by_its_fingerprint(tmp_path: Path) -> None:
    """A server can use the pair, its key is its owner's alone, and the fingerprint is the one that browsers show."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    make_certificate(certificate, key, ["lab.example", "192.0.2.7"])
    check_pair(certificate, key)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(fingerprint(certificate).split(":")) == 32
    key.write_text("no key")
    with pytest.raises(InputError):
        check_pair(certificate, key)
    with pytest.raises(InputError):
        fingerprint(key)


def test_the_page_runs_no_code_but_its_own_files() -> None:
    """The policy of the page has no inline code or style; a report, which has, is a sandbox without this origin."""
    assert "unsafe" not in PAGE_POLICY
    report = headers_of("/runs/a/report", tls=False)["Content-Security-Policy"]
    assert report.startswith("sandbox allow-scripts")
    assert "allow-same-origin" not in report
    assert "Strict-Transport-Security" in headers_of("/", tls=True)


def words(**launch: object) -> list[str]:
    made = Launch(scenario="swarm.yml", **launch)  # type: ignore[arg-type]
    return made.words("configs/scenarios", ["swarm.yml"], "runs", {"swarm-1"})


def test_a_launch_becomes_words_of_the_command_line() -> None:
    """What can be set on the page is what the command has."""
    assert words(users=5, rate="500/s", max_users=9, duration="1h30m", nodes=3, baseline="swarm-1") == [
        "configs/scenarios/swarm.yml", "--users", "5", "--max-users", "9", "--local", "3", "--rate", "500/s",
        "--duration", "1h30m", "--baseline", "runs/swarm-1",
    ]  # fmt: skip
    assert directory_name("swarm.yml", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "swarm-20260102-030405"


@pytest.mark.parametrize(
    "launch",
    [
        {"scenario": "../../etc/passwd"},
        {"scenario": "--out=/tmp/x.yml"},
        {"scenario": "swarm.yml", "duration": "--out=/tmp"},
        {"scenario": "swarm.yml", "duration": "9s; rm"},
        {"scenario": "swarm.yml", "rate": "1/s --inventory"},
        {"scenario": "swarm.yml", "baseline": "../swarm-1"},
        {"scenario": "swarm.yml", "users": 0},
        {"scenario": "swarm.yml", "users": "5"},
        {"scenario": "swarm.yml", "out": "/tmp"},
        {},
        [],
    ],
)
def test_no_text_of_the_network_becomes_a_path_or_an_option(launch: object) -> None:
    """What is not in a list, or no quantity, is refused before a command is made of it."""
    import msgspec  # noqa: PLC0415

    with pytest.raises(InputError):
        parse_launch(msgspec.json.encode(launch)).words("configs/scenarios", ["swarm.yml"], "runs", {"swarm-1"})


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_a_host_has_no_new_tries_with_each_of_its_addresses(one: str, other: str, same: bool) -> None:
    """A host with IPv6 has a network of 2^64 addresses: they have the tries of one."""
    tries = TryLimit()
    for _ in range(FREE_TRIES):
        tries.note_wrong(one, 0.0)
    assert (tries.wait_s(other, 1.0) > 0) is same
