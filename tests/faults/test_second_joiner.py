"""L4: a worker that joins in mid-run must get its share of the users, whether or not another has joined before it."""

from __future__ import annotations

from apart import apart
from finding import Finding
from our_fleet import OurFleet
from stock_process import StockProcesses, users_of
from waiting import comes, must_come

FAULT = "L4"
TITLE = "the second worker that joins gets no users"
USERS, JOINING = 12, 2
SHARE_WITHIN_S = 4.0
"""How long each waits for its users. Where they come, they come within a tenth of it."""
OUR_USERS = 8


def stock() -> Finding:
    with StockProcesses(1, spare_workers=JOINING) as fleet:
        fleet.load(USERS)
        shares = []
        for _ in range(JOINING):
            joining = fleet.start_worker()
            fleet.must_come(
                lambda joining=joining: joining.now.name in fleet.master.now.workers, "the worker that joins"
            )
            share = USERS // len(fleet.workers)
            fleet.comes(lambda joining=joining, share=share: joining.now.users == share, SHARE_WITHIN_S)
            shares.append((joining.now.users, share))
            fleet.must_come(lambda: users_of(fleet.workers) == USERS, f"{USERS} users in all")
    first, second = (f"{users} of {share}" for users, share in shares)
    seen = f"the first that joined got {first} users, the second {second}"
    return Finding(all(users == share for users, share in shares), seen)


def ours() -> Finding:
    return apart(on_ours)


def on_ours() -> Finding:
    fleet = OurFleet(4)
    fleet.rack(["pi1", "pi2"])
    must_come(lambda: fleet.connected == 2, "the first workers")
    fleet.master.ramp_to(OUR_USERS, 100).join()
    fleet.rack(["pi3", "pi4"])
    must_come(lambda: fleet.connected == 4, "those that join")

    def joined() -> list[int]:
        return [fleet.master.clients[f"pi{number}_0"].user_count for number in (3, 4)]

    def shared() -> bool:
        fleet.master.rebalance(1.0)
        return joined() == [OUR_USERS // 4] * 2

    comes(shared, 15)
    first, second = joined()
    return Finding(
        first == second == OUR_USERS // 4, f"those that joined got {first} and {second} of {OUR_USERS} users"
    )


def test_stock_fails() -> None:
    assert not stock().holds


def test_ours_holds() -> None:
    holds, seen = ours()
    assert holds, seen
