"""The rate limit of callers against the real process."""

from __future__ import annotations

import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from processes import TARGET, Target

BURST = 20


def test_a_caller_has_its_burst_and_no_more_and_others_have_their_own() -> None:
    """Of many requests at once just so many are answered; the rest are told when to come again, and do no harm."""
    with Target(f"--rate-limit={BURST}") as target:
        first, second = target.sign_in("user0001"), target.sign_in("user0002")
        with ThreadPoolExecutor(16) as pool:
            replies = list(pool.map(lambda _: target.ask("GET", "/media/media0001", token=first), range(200)))
        counts = Counter(reply.status for reply in replies)
        assert set(counts) == {200, 429}
        assert counts[200] >= BURST
        refused = next(reply for reply in replies if reply.status == 429)
        assert refused.json["error"]["code"] == "too_many_requests"
        assert refused.headers["retry-after"] == "1"
        assert refused.headers["ratelimit-policy"] == f'"caller";q={BURST};w=1'
        assert refused.headers["ratelimit"].startswith('"caller";r=0;t=')
        assert target.ask("GET", "/media/media0001", token=second).status == 200
        metrics = target.ask("GET", "/metrics").body.decode()
        assert f'target_rate_limit_requests_total{{outcome="allowed"}} {float(counts[200] + 1)}\n' in metrics
        assert f'target_rate_limit_requests_total{{outcome="refused"}} {float(counts[429])}\n' in metrics


def test_with_a_slow_rate_the_count_is_exact() -> None:
    with Target("--rate-limit=0.01") as target:
        token = target.sign_in("user0001")
        replies = [target.ask("GET", "/media", token=token) for _ in range(3)]
        assert [reply.status for reply in replies] == [200, 429, 429]
        assert 90 <= int(replies[-1].headers["retry-after"]) <= 100
        assert target.ask("GET", "/auth/me", token=token).status == 200  # which has no such limit


def test_bad_tokens_count_against_the_address() -> None:
    """Who is nobody is limited, too, without keeping those out who are somebody."""
    with Target("--rate-limit=0.01") as target:
        statuses = [target.ask("GET", "/media", token="x").status for _ in range(3)]
        assert statuses == [401, 429, 429]
        assert target.ask("OPTIONS", "/uploads").status == 429
        assert target.ask("GET", "/media", token=target.sign_in("user0001")).status == 200


def test_without_a_limit_nothing_is_said_of_one() -> None:
    with Target("--rate-limit=0") as target:
        reply = target.ask("GET", "/media", token=target.sign_in("user0001"))
        assert reply.status == 200
        assert not [name for name in reply.headers if name.startswith("ratelimit")]


@pytest.mark.parametrize("rate", ["-1", "nan", "inf", "x", "0.001", "1e7"])
def test_a_limit_that_is_none_is_refused(rate: str) -> None:
    finished = subprocess.run(
        [*TARGET, f"--rate-limit={rate}"], capture_output=True, text=True, timeout=60, check=False
    )
    assert finished.returncode == 2
    assert "--rate-limit" in finished.stderr.splitlines()[-1]
