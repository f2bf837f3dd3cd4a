"""When failed sign-ins lock the address that they come from."""

import pytest

from master.target.auth.addresses import AddressLockout, site_of
from master.target.auth.lockout import LockoutRules

RULES = LockoutRules(failures=3, within_s=100.0, lock_s=30.0)


@pytest.mark.parametrize(
    ("address", "site"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("no address", "no address"),
    ],
)
def test_what_counts_as_one_address(address: str, site: str) -> None:
    """An IPv4 address, however it is written, is one; so is a whole /64 of IPv6; what is no address is itself."""
    assert site_of(address) == site


def test_an_address_is_locked_for_a_while_and_no_other_is() -> None:
    """Three failures lock an address for 30 s; another one is free, and after the lock it takes three again."""
    lockout = AddressLockout(RULES)
    for now in (0.0, 1.0, 2.0):
        assert lockout.locked_for_s("192.0.2.7", now) == 0
        lockout.note_failure("192.0.2.7", now)
    assert lockout.locked_for_s("192.0.2.7", 2.0) == 30.0
    assert lockout.locked_for_s("192.0.2.8", 2.0) == 0
    assert lockout.locked_for_s("192.0.2.7", 32.0) == 0
    lockout.note_failure("192.0.2.7", 32.0)
    assert lockout.locked_for_s("192.0.2.7", 32.0) == 0


def test_without_a_limit_nothing_is_locked_or_kept() -> None:
    """A limit of 0 is none."""
    lockout = AddressLockout(LockoutRules(failures=0))
    for _ in range(1000):
        lockout.note_failure("192.0.2.7", 0.0)
    assert lockout.locked_for_s("192.0.2.7", 0.0) == 0
    assert not lockout._failures


def test_what_is_remembered_is_bounded_and_the_least_recent_goes_first() -> None:
    """Of three addresses two are remembered: those that failed last."""
    lockout = AddressLockout(RULES, max_addresses=2)
    for last in (1, 2, 1, 1, 3):
        lockout.note_failure(f"192.0.2.{last}", 0.0)
    assert list(lockout._failures) == ["192.0.2.1", "192.0.2.3"]
    assert lockout.locked_for_s("192.0.2.1", 0.0) == 30.0
