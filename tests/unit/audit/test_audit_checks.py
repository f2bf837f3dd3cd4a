"""What the checks make of tokens, cookies, headers and bodies."""

from __future__ import annotations

import json
import math
import secrets
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from master.audit.answer import Answer
from master.audit.checks.access.authentication import forged_tokens
from master.audit.checks.access.csrf import open_cookies
from master.audit.checks.answers.cache_invalidation import may_be_kept
from master.audit.checks.answers.error_messages import shown_internals
from master.audit.checks.answers.security_headers import may_be_framed
from master.audit.checks.catalogue import CHECKS, select
from master.audit.checks.cryptography.dependencies import read_report
from master.audit.checks.cryptography.encryption import secret_fields
from master.audit.checks.cryptography.hashing import guess_key
from master.audit.checks.cryptography.randomness import estimated_bits, identifiers, judge
from master.audit.checks.inputs.sql_injection import without
from master.audit.checks.inputs.xss import reflection
from master.audit.client import UnreachableError
from master.audit.openapi import Operation
from master.audit.site import Accounts, Site
from master.errors import InputError


def answer(body: str = "", status: int = 200, **headers: str) -> Answer:
    return Answer("GET /x", status, {name.replace("_", "-"): value for name, value in headers.items()}, body.encode())


def token(key: str, **claims: object) -> str:
    return jwt.encode({"alg": "HS256"}, {"sub": "a", **claims}, OctKey.import_key(key))


def test_each_rule_belongs_to_its_check_and_says_what_to_do() -> None:
    """Rules have names of their own, a remedy, and references to CWE."""
    rules = [(check.id, rule) for check in CHECKS for rule in check.rules]
    assert len({rule.id for _, rule in rules}) == len(rules)
    assert len({check.id for check in CHECKS}) == len(CHECKS) == 17
    for check, rule in rules:
        assert rule.id.startswith(f"{check}/")
        assert rule.remedy.endswith(".")
        assert any(reference.startswith("CWE-") for reference in rule.references)


def test_checks_are_selected_by_name() -> None:
    """--only and --skip work together; a name that is none is refused with the nearest one."""
    assert [check.id for check in select(["xss", "cors"], ["xss"])] == ["cors"]
    with pytest.raises(InputError, match="did you mean 'csrf'"):
        select(["csfr"], [])
    with pytest.raises(InputError, match="leave no check"):
        select(["xss"], ["xss"])


def test_no_forged_token_is_the_good_one() -> None:
    """Each forged token differs from the good one, and what it is can be said."""
    good = token("a key of thirty-two characters!!")
    forged = dict(forged_tokens(good))
    assert len(forged) == 4
    assert good not in forged.values()
    assert list(dict(forged_tokens("opaque"))) == ["an invented token"]


def test_a_well_known_key_is_guessed_and_no_other() -> None:
    """A key of examples is found by its signature; a random one is not, nor does what is no token break it."""
    assert guess_key(token("your-256-bit-secret")) == "your-256-bit-secret"
    assert guess_key(token(secrets.token_urlsafe(32))) is None
    assert [guess_key(text) for text in ("", "a.b.c", "e30.e30.e30", "\xff.\xff.\xff")] == [None] * 4


@pytest.mark.parametrize(
    ("values", "broken"),
    [
        ([secrets.token_urlsafe(12) for _ in range(12)], None),
        ([secrets.token_hex(16) for _ in range(12)], None),
        (["same"] * 12, "randomness/repeated"),
        ([str(number) for number in range(100, 112)], "randomness/sequential"),
        ([f"{number:032x}" for number in range(7, 31, 2)], "randomness/sequential"),
        ([secrets.token_hex(4) + "0" * 24 for _ in range(12)], "randomness/too-short"),
        ([f"session-{secrets.token_hex(3)}" for _ in range(12)], "randomness/too-short"),
    ],
)
def test_identifiers_are_judged_by_how_they_could_be_foretold(values: list[str], broken: str | None) -> None:
    """Repeated, counted and short identifiers break a rule each; random ones none."""
    rule = judge(values)
    assert (None if rule is None else rule.id) == broken


def test_bits_are_those_of_the_places_that_differ() -> None:
    """A constant part of identifiers counts for nothing."""
    assert estimated_bits(["aaaa01", "aaaa12"]) == pytest.approx(2 * math.log2(10))


def test_identifiers_are_claims_or_whole_tokens() -> None:
    """Of JSON Web Tokens the identifiers are compared, not what all have in common; of others all of it."""
    key = "a key of thirty-two characters!!"
    assert identifiers([token(key, jti="1", iat=1), token(key, jti="2", iat=2)]) == {"the claim jti": ["1", "2"]}
    assert identifiers(["x", "y"]) == {"the token": ["x", "y"]}


def test_cookies_that_other_sites_can_use_are_those_without_same_site() -> None:
    """SameSite=Lax and Strict keep a cookie from other sites; None does not."""
    given = "a=1; Path=/; SameSite=Lax\nb=2; HttpOnly\nc=3; samesite=none; Secure\nd=4; SAMESITE = strict"
    assert open_cookies(given) == ["b=2", "c=3"]
    assert open_cookies("") == []


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("", True),
        ("public, max-age=60", True),
        ("private", True),
        ("max-age=0", True),
        ("no-store", False),
        ("No-Store, max-age=0", False),
        ("private, no-cache", False),
        ("private, max-age=31536000, immutable", False),
    ],
)
def test_what_a_cache_may_keep(said: str, kept: bool) -> None:
    """Only no-store, or private together with a question each time or for what never changes, keeps answers true."""
    assert may_be_kept(said) is kept


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"error": "body longer than 65536 bytes"}', False),
        ('{"error": {"message": "Expected `int`, got `str` - at `$.limit`"}}', False),
        ('Traceback (most recent call last):\n  File "x.py", line 3', True),
        ('{"trace": "File \\"/srv/app/x.py\\", line 3"}', True),
        ("java.lang.NullPointerException: null\n\tat com.example.A(B.java:12)", True),
        ("goroutine 1 [running]:", True),
        ("TypeError: x is undefined\n    at f (/srv/app/index.js:1:2)", True),
        ("/home/app/site/handler.rb", True),
    ],
)
def test_internals_are_told_from_messages(text: str, shown: bool) -> None:
    """Traces, paths and exceptions are internals; what a client did wrong is none."""
    assert bool(shown_internals(answer(text))) is shown


def test_frames_are_refused_by_either_header() -> None:
    """X-Frame-Options and frame-ancestors both do; another policy does not."""
    assert may_be_framed(answer(content_security_policy="default-src 'none'"))
    assert not may_be_framed(answer(content_security_policy="frame-ancestors 'none'"))
    assert not may_be_framed(answer(x_frame_options="DENY"))


def test_secrets_are_found_at_any_depth_and_hashes_are_none() -> None:
    """Fields named like secrets with text in them; not hashes, not empty ones, and no recursion."""
    found = {"a": [{"password": "p"}], "private_key": "", "secret": "$argon2id$v=19$", "password_rules": "long"}
    assert list(secret_fields(found)) == [".a[0].password"]
    deep: object = {"api_key": "k"}
    for _ in range(20_000):
        deep = [deep]
    assert len(list(secret_fields(deep))) == 1


def test_markup_counts_where_a_browser_would_show_it() -> None:
    """Markup in a page, or in what may be taken for one, is a finding; in JSON or escaped it is none."""
    markup = "<svg/onload=piswarm>"
    assert reflection(answer(markup, content_type="text/html; charset=utf-8"))
    assert reflection(answer(markup))
    assert not reflection(answer(markup, x_content_type_options="nosniff"))
    assert not reflection(answer(markup, content_type="application/json"))
    assert not reflection(answer("&lt;svg/onload=piswarm&gt;", content_type="text/html"))


def test_an_echo_is_no_difference() -> None:
    """Answers that differ by what was sent alone are the same."""
    assert without(answer("you said a'b"), "a'b") == without(answer("you said c"), "c")


def test_a_report_of_pip_audit_is_read() -> None:
    """Packages with vulnerabilities, packages of which nothing is known, and what is no report."""
    report = (
        b'{"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": []}]},'
        b' {"name": "b", "skip_reason": "not found"}, {"name": "c", "version": "2", "vulns": []}]}'
    )
    assert read_report(report) == (["a 1: CVE-1 (fixed in no version)"], ["b"])
    for broken in (b"", b"[]", b'{"dependencies": 1}', b'{"dependencies": ["a"]}'):
        with pytest.raises(UnreachableError):
            read_report(broken)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", ["/usr/" * 800_000, "a" * 4_000_000, 'File "' * 600_000, "at a(" * 800_000])
def test_an_answer_of_great_length_is_searched_in_time(text: str) -> None:
    """A target can't keep the audit busy by what it answers: the search takes time in proportion to its length."""
    assert not shown_internals(answer(text))


class LettingIn:
    """A target that lets everybody in, each with a token of its own."""

    def __init__(self, *tokens: str) -> None:
        self._tokens = iter(tokens)

    def ask(self, method: str, path: str, *_: object, **__: object) -> Answer:
        token = next(self._tokens)
        return Answer(f"{method} {path}", 200, {}, json.dumps({"token": token, "refresh_token": f"r-{token}"}).encode())


def test_the_token_of_each_sign_in_is_a_secret() -> None:
    """Also one that a wrong password was given. What is too short to tell from other text is none."""
    operation = Operation(
        "POST", "/login", (), "application/json", {"properties": {"username": {}, "password": {}}}, False, ()
    )
    client: Any = LettingIn("first-token", "other-token", "1")
    site = Site(client, [operation], Accounts({}, "password-of-all"))
    for _ in range(3):
        site.try_sign_in("nobody", "a guess")
    assert set(site.secret_texts) == {
        "password-of-all",
        *("first-token", "r-first-token"),
        *("other-token", "r-other-token"),
    }
