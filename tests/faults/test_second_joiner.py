"""L4: a worker that joins in mid-run must get its share of the users, whether or not another has joined before it."""

from __future__ import annotations

from finding import Finding
from stock_process import StockProcesses, users_of

FAULT = "L4"
TITLE = "the second worker that joins gets no users"
USERS, JOINING = 12, 2
SHARE_WITHIN_S = 4.0
"""How long each waits for its users. Where they come, they come within a tenth of it."""


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


def test_stock_fails() -> None:
    assert not stock().holds
