"""A load of arrivals that can't fit is warned of before it begins, with both numbers and what to do."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.load.capacity_hint import PI4_CORE_PER_S, X86_CORE_PER_S, Fleet, capacity_warnings
from master.scenario import OpenStage, Sine, Spike, parse_threshold

FLEET = Fleet(nodes=50, capacity=200)
STAGE = OpenStage(rate_per_s=500, max_users=50, hold_s=60)


def warnings(stage: OpenStage, *rules: str, fleet: Fleet = FLEET) -> list[str]:
    return list(capacity_warnings([stage], [parse_threshold(rule) for rule in rules], fleet))


def test_a_pi_4_core_is_a_quarter_of_the_core_that_was_measured() -> None:
    """As docs/lab/nodes.md has it."""
    assert PI4_CORE_PER_S == X86_CORE_PER_S / 4
    assert round(PI4_CORE_PER_S) == 2083


@pytest.mark.parametrize(
    ("stage", "rules"),
    [
        (STAGE, []),
        (STAGE, ["p95 < 299 ms", "p99 < 10 s", "max < 1 ms", "p10 < 1 s", "errors < 1 %", "p50 > 1 s"]),
        (STAGE, ["p95 < 10 s", "GET /x service p50 < 20 ms"]),
        (replace(STAGE, sine=Sine(499, 10), max_users=100), []),
        (replace(STAGE, spikes=(Spike(100, 1, 1),)), []),
    ],
)
def test_a_load_that_fits_is_not_warned_of(stage: OpenStage, rules: list[str]) -> None:
    """The users suffice for the mean at the tightest limit of p50 to p95 (a third of a p95), or for 100 ms where there is none."""
    assert warnings(stage, *rules) == []


@pytest.mark.parametrize(
    ("stage", "rules", "latency", "needed", "bearable"),
    [
        (replace(STAGE, max_users=49), [], "100 ms (assumed, since no threshold says it)", 50, "98 ms"),
        (
            STAGE,
            ["p95 < 3 s", "GET /x p50 < 500 ms", "p99 < 1 ms"],
            "721.3 ms (the mean where 'GET /x p50 < 500 ms' just holds)",
            361,
            "100 ms",
        ),
        (
            replace(STAGE, sine=Sine(250, 10), spikes=(Spike(2000, 20, 5),)),
            ["p95 < 200 ms"],
            "66.76 ms (the mean where 'p95 < 200 ms' just holds)",
            134,
            "25 ms",
        ),
    ],
)
def test_more_users_than_there_may_be_are_named_with_the_latency_that_takes_them(
    stage: OpenStage, rules: list[str], latency: str, needed: int, bearable: str
) -> None:
    """The warning has the users that are needed, those that there may be, and the latency that can be borne."""
    (warning,) = warnings(stage, *rules)
    assert warning == (
        f"load[0] reaches {stage.peak_per_s:g}/s, and answers that take {latency} then keep {needed} users busy, where max_users is "
        f"{stage.max_users}: arrivals are missed while answers take more than {bearable} on average. Give max_users of at "
        f"least {needed} (--max-users), or a lower rate (--rate)"
    )


@pytest.mark.parametrize(
    ("fleet", "says"),
    [
        (
            Fleet(nodes=2, capacity=8),
            (
                "the load reaches 25000/s, and the 2 nodes carry about 17000/s (8 cores of a Pi 4), at one request an arrival: "
                "arrivals beyond that start late, which makes the run INVALID. Have more nodes, or a lower rate (--rate)"
            ),
        ),
        (
            Fleet(nodes=50, capacity=200, shared_cores=2),
            (
                "the load reaches 25000/s, and the 2 cores of this machine, which simulates all nodes, start about 17000/s, at "
                "one request an arrival: arrivals beyond that start late, which makes the run INVALID. Have real nodes (--inventory), "
                "or a lower rate (--rate)"
            ),
        ),
        (
            Fleet(nodes=1, capacity=4, shared_cores=2, request_cpu_s=0.001),
            (
                "the load reaches 25000/s, and the node carries about 4000/s (4 cores of a Pi 4), at one request an arrival: "
                "arrivals beyond that start late, which makes the run INVALID. Have more nodes, or a lower rate (--rate)"
            ),
        ),
    ],
)
def test_a_rate_beyond_what_the_fleet_carries_is_named_with_both_numbers(fleet: Fleet, says: str) -> None:
    """For simulated nodes also the machine that they share is a limit."""
    assert warnings(replace(STAGE, rate_per_s=25_000, max_users=5000), fleet=fleet) == [says]


@given(st.floats(0.001, 1e6), st.floats(1, 1000), st.integers(1, 100_000))
def test_the_users_that_are_asked_for_are_enough(rate_per_s: float, limit_ms: float, max_users: int) -> None:
    """A load with as many users as the warning asks for is not warned of again."""
    stage = OpenStage(rate_per_s, max_users, 60)
    rule = f"p95 < {limit_ms:.3f} ms"
    fleet = Fleet(nodes=1, capacity=1e9)
    for warning in warnings(stage, rule, fleet=fleet):
        asked = int(warning.partition("Give max_users of at least ")[2].partition(" ")[0])
        assert asked > max_users
        assert warnings(replace(stage, max_users=asked), rule, fleet=fleet) == []
