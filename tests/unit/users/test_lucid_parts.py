"""The parts of the users that need no Locust: accounts, randomness, chunk data, checks of answers."""

import gzip
import itertools
import subprocess
import sys
from pathlib import Path

import pytest

import worker.users
from master.target.sessions.chunks import SessionCipher, pack, reduction
from worker.users.lucid import replies, screen_chunks
from worker.users.lucid.accounts import ADMINS, NODES, USERS, AccountBook, AccountPool, password, user_random
from worker.users.lucid.replies import WrongReplyError, read


class Environment:
    def __init__(self, **attributes: int) -> None:
        self.__dict__.update(attributes)


def test_the_parts_tested_here_do_not_import_locust() -> None:
    """The parts tested here do not import Locust, which replaces half of the standard library."""
    code = "import sys, worker.users.lucid.accounts, worker.users.lucid.screen_chunks, worker.users.lucid.replies; print('gevent' in sys.modules)"
    root = Path(worker.users.__file__).parents[2]
    answer = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert answer.stdout == "False\n"


@pytest.mark.parametrize(
    ("pool", "first", "last"),
    [(USERS, "user0001", "user2000"), (ADMINS, "admin01", "admin20"), (NODES, "node0001", "node1000")],
)
def test_every_account_of_a_pool_is_used_before_any_comes_again(pool: AccountPool, first: str, last: str) -> None:
    book, environment = AccountBook(), Environment()
    names = [pool.name(book.next_number(environment, pool)) for _ in range(pool.size)]
    assert names[0] == first
    assert len(set(names)) == pool.size
    assert last in names
    assert pool.name(book.next_number(environment, pool)) == first


def test_workers_with_neighbouring_first_accounts_do_not_share_accounts() -> None:
    for workers, each, pool in ((500, 2, USERS), (250, 4, USERS), (50, 20, USERS), (500, 1, NODES), (50, 10, NODES)):
        book = AccountBook()
        environments = [Environment(first_account=index) for index in range(workers)]
        names = [pool.name(book.next_number(environment, pool)) for environment in environments for _ in range(each)]
        assert len(set(names)) == workers * each


def test_an_environment_has_a_series_of_its_own_for_each_pool() -> None:
    book, one, other = AccountBook(), Environment(), Environment(first_account=5)
    assert [book.next_number(one, USERS), book.next_number(one, NODES), book.next_number(other, USERS)] == [0, 0, 5]


def test_users_that_share_an_account_have_different_numbers() -> None:
    book = AccountBook()
    environments = [Environment(first_account=index) for index in range(4)]
    numbers = [book.next_number(environment, ADMINS) for environment in environments for _ in range(250)]
    assert len({ADMINS.name(number) for number in numbers}) == 20
    assert len(set(numbers)) == 1000


def test_the_book_forgets_environments_that_are_gone() -> None:
    book = AccountBook()
    for _ in range(10):
        book.next_number(Environment(), USERS)
    assert len(book._series) == 0


def test_randomness_repeats_with_the_seed_and_differs_between_users() -> None:
    def draw(environment: Environment, kind: str, number: int) -> tuple[float, ...]:
        return tuple(user_random(environment, kind, number).random() for _ in range(3))

    assert draw(Environment(seed=1), "ApiUser", 7) == draw(Environment(seed=1), "ApiUser", 7)
    assert draw(Environment(), "ApiUser", 7) == draw(Environment(seed=0), "ApiUser", 7)
    environments = (Environment(seed=1), Environment(seed=2))
    drawn = [draw(*key) for key in itertools.product(environments, ("ApiUser", "NodeUser"), (7, 8))]
    assert len(set(drawn)) == 8


def test_the_password_is_the_controllers_or_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    """The password is the controller's or the environment's, and there is no default that everybody knows."""
    monkeypatch.delenv("PISWARM_TARGET_PASSWORD", raising=False)
    assert password(Environment()) == ""
    assert password(object()) == ""
    monkeypatch.setenv("PISWARM_TARGET_PASSWORD", "another")
    assert password(Environment()) == "another"
    assert password(Environment(target_password="sent")) == "sent"


def test_desktop_chunks_compress_like_a_desktop() -> None:
    """Desktop chunks compress by more than 70 % with gzip level 6, also after encryption, and are neither constant nor
    repetitive.
    """
    for chunk in screen_chunks.chunks():
        assert len(chunk) == screen_chunks.CHUNK_BYTES == 16_384
        stored = SessionCipher(bytes(32), "s").seal(pack(chunk), 0)
        assert 0.70 < reduction(len(chunk), len(stored)) < 0.95
        assert len(set(chunk)) > 50
        halves = len(gzip.compress(chunk[:8192], 6)), len(gzip.compress(chunk[8192:], 6))
        assert min(halves) > 300


def test_desktop_chunks_are_several_and_always_the_same() -> None:
    made = screen_chunks.chunks()
    assert len(set(made)) == len(made) == 8
    screen_chunks.chunks.cache_clear()
    assert screen_chunks.chunks() == made


def test_a_right_answer_is_read() -> None:
    body = b'{"username": "user0001", "role": "user"}'
    assert read(200, body, (200,), replies.MeReply, lambda me: me.username == "user0001").username == "user0001"
    assert read(200, b"\x00\xff", (200, 201), bytes, None) == b"\x00\xff"


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (
            409,
            b'{"error": {"code": "conflict", "message": "session abc is closed"}}',
            r"^status 409 instead of 200 or 201: conflict$",
        ),
        (502, b"<html>", "^status 502 instead of 200 or 201$"),
        (200, b"<html>", "^body is no MeReply: "),
        (200, b'{"username": 1}', r"^body is no MeReply: Expected `str`, got `int` - at `\$.username`$"),
        (200, b"{}", "^body is no MeReply: Object missing required field `username`$"),
        (200, b'{"username": "user0002"}', "^MeReply contradicts the request$"),
    ],
)
def test_a_wrong_answer_says_what_is_wrong_with_it(status: int, body: bytes, message: str) -> None:
    with pytest.raises(WrongReplyError, match=message):
        read(status, body, (200, 201), replies.MeReply, lambda me: me.username == "user0001")
