"""Which hardware is taken, which pool a node goes to, and when it counts as lost."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.target.nodes.hardware import BOARDS, Hardware, architecture_of, find_faults, known_board
from master.target.nodes.liveness import NodeState, node_state
from master.target.nodes.pools import DEFAULT_POOL, Pool, assign_pool, find_shortfalls

PI_4 = Hardware("Raspberry Pi 4 Model B Rev 1.5", 4, 3794, "aarch64", 29_500)
PI_5 = Hardware("Raspberry Pi 5 Model B Rev 1.0", 4, 8063, "aarch64", 119_000)


@pytest.mark.parametrize(
    "hardware",
    [
        PI_4,
        PI_5,
        Hardware("Raspberry Pi 5", 4, 8192),
        Hardware("Raspberry Pi 3 Model B Plus Rev 1.3", 4, 906, "aarch64", 7_400),
        Hardware("Raspberry Pi 400 Rev 1.0", 4, 3790, "aarch64"),
        Hardware("NUC", 8, 32_000, "x86_64", 500_000),
        Hardware("Raspberry Pi Zero 2 W Rev 1.0", 4, 416, "aarch64"),
        Hardware("something new", 2, 400),
    ],
    ids=lambda hardware: hardware.model,
)
def test_real_hardware_is_taken(hardware: Hardware) -> None:
    """Boards as their systems show them, and machines that nobody knows, if they have enough."""
    assert find_faults(hardware) == []


@pytest.mark.parametrize(
    ("hardware", "faults"),
    [
        (PI_4._replace(cpu_count=8), ["cpu_count 8 contradicts the model: Raspberry Pi 4 has 4"]),
        (PI_4._replace(architecture="armv7l"), ["architecture armv7l is none of aarch64, x86_64"]),
        (
            PI_4._replace(architecture="x86_64"),
            ["architecture x86_64 contradicts the model: Raspberry Pi 4 is aarch64"],
        ),
        (PI_4._replace(disk_mb=3000), ["disk_mb 3000 is below 7000"]),
        (
            Hardware("Raspberry Pi 400", 4, 8000),
            ["memory_mb 8000 contradicts the model: Raspberry Pi 400 was sold with 4096"],
        ),
        (
            Hardware("Raspberry Pi 4 Model B", 4, 6000),
            ["memory_mb 6000 contradicts the model: Raspberry Pi 4 was sold with 1024, 2048, 4096, 8192"],
        ),
        (
            Hardware("Raspberry Pi Zero 2 W Rev 1.0", 4, 900),
            ["memory_mb 900 contradicts the model: Raspberry Pi Zero 2 was sold with 512"],
        ),
        (
            Hardware("toy", 1, 256, "mips", 100),
            [
                "architecture mips is none of aarch64, x86_64",
                "cpu_count 1 is below 2",
                "memory_mb 256 is below 400",
                "disk_mb 100 is below 7000",
            ],
        ),
    ],
)
def test_every_fault_is_named(hardware: Hardware, faults: list[str]) -> None:
    """What is below the minimum and what contradicts the model, all at once."""
    assert find_faults(hardware) == faults


def test_a_board_is_known_by_the_beginning_of_its_model() -> None:
    """A number that goes on is another board."""
    for board in BOARDS:
        assert known_board(f"{board.name.lower()} Model X") is board
    assert known_board("Raspberry Pi 40") is None
    assert known_board("my Raspberry Pi 4") is None


def test_the_architecture_follows_from_the_board() -> None:
    """Unless the node says it."""
    assert architecture_of(Hardware("Raspberry Pi 5", 4, 8192)) == "aarch64"
    assert architecture_of(Hardware("NUC", 4, 8192)) is None
    assert architecture_of(Hardware("NUC", 4, 8192, "x86_64")) == "x86_64"


POOLS = [
    Pool(DEFAULT_POOL),
    Pool("big", min_memory_mb=8000),
    Pool("medium", min_memory_mb=3500),
    Pool("wide", min_memory_mb=3500, min_cpu_count=8),
    Pool("intel", architecture="x86_64"),
    Pool("roomy", min_disk_mb=100_000),
]


@pytest.mark.parametrize(
    ("hardware", "pool"),
    [
        (PI_5, "big"),
        (PI_4, "medium"),
        (Hardware("NUC", 16, 4096, "x86_64"), "wide"),
        (Hardware("NUC", 4, 2048, "x86_64"), "intel"),
        (Hardware("NUC", 4, 2048, "x86_64", 200_000), "roomy"),
        (Hardware("NUC", 4, 2048), DEFAULT_POOL),
    ],
)
def test_a_node_goes_to_the_pool_that_asks_for_the_most(hardware: Hardware, pool: str) -> None:
    """Memory first; a node that fits nowhere else goes to the default pool."""
    assert assign_pool(POOLS, {}, hardware) == pool


def test_a_full_pool_takes_no_more() -> None:
    """The next best one does."""
    pools = [*POOLS, Pool("few", min_memory_mb=8001, max_nodes=2)]
    assert [assign_pool(pools, {"few": count}, PI_5) for count in (1, 2)] == ["few", "big"]


def test_what_a_pool_does_not_take_is_said() -> None:
    """One phrase for each shortfall."""
    demanding = Pool("x", 8, 16_000, 1_000_000, "x86_64")
    assert find_shortfalls(demanding, Hardware("?", 4, 4096)) == [
        "cpu_count 4 is below 8",
        "memory_mb 4096 is below 16000",
        "disk_mb unknown is below 1000000",
        "architecture unknown is not x86_64",
    ]


pools = st.lists(
    st.builds(
        Pool,
        st.sampled_from("abcdef"),
        st.integers(0, 8),
        st.integers(0, 8192),
        st.integers(0, 100),
        st.sampled_from((None, "aarch64")),
        st.none() | st.integers(0, 3),
    ),
    max_size=6,
    unique_by=lambda pool: pool.name,
)


@given(pools, st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 4)), st.randoms(use_true_random=False))
def test_a_node_is_never_put_where_it_is_not_taken(
    found: list[Pool], counts: dict[str, int], order: random.Random
) -> None:
    """Nor does the order in which pools are read matter."""
    chosen = assign_pool(found, counts, PI_4)
    if chosen != DEFAULT_POOL:
        pool = next(pool for pool in found if pool.name == chosen)
        assert not find_shortfalls(pool, PI_4)
        assert pool.max_nodes is None or counts.get(chosen, 0) < pool.max_nodes
    order.shuffle(found)
    assert assign_pool(found, counts, PI_4) == chosen


@pytest.mark.parametrize(
    ("silent_s", "heartbeats", "expected"),
    [(0, 0, NodeState.REGISTERED), (30, 1, NodeState.ONLINE), (30.1, 1, NodeState.LOST), (31, 0, NodeState.LOST)],
)
def test_a_silent_node_is_lost(silent_s: float, heartbeats: int, expected: NodeState) -> None:
    """After its time, whether it ever reported or not."""
    assert node_state(100, heartbeats, 100 + silent_s, 30) is expected
