"""Failed sign-ins by the address that they come from, whatever their names. Pure: times are passed in, in seconds.

Theory of operation: one password that is tried with many names locks none of them, but its address. A success takes nothing back, since
whoever has one account could go on with it. What is remembered is in memory, and each process counts for itself: a restart, or another
process, begins anew, which nobody outside brings about.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

from master.target.auth.lockout import Failures, LockoutRules

MAX_ADDRESSES = 20_000
"""Beyond it those go that have failed least recently."""
_IPV6_SITE_BITS = 64  # one customer has them all


class AddressLockout:
    """Locks addresses by `rules`."""

    def __init__(self, rules: LockoutRules, *, max_addresses: int = MAX_ADDRESSES) -> None:
        self._rules = rules
        self._max_addresses = max_addresses
        self._failures: OrderedDict[str, Failures] = OrderedDict()

    def locked_for_s(self, address: str, now: float) -> float:
        """For how long an address is locked yet; 0 when it is not."""
        return self._rules.locked_for_s(self._failures.get(site_of(address)), now)

    def note_failure(self, address: str, now: float) -> None:
        """Count a wrong password from there."""
        if not self._rules.failures:
            return
        site = site_of(address)
        self._failures[site] = self._rules.after_failure(self._failures.get(site), now)
        self._failures.move_to_end(site)
        if len(self._failures) > self._max_addresses:
            self._failures.popitem(last=False)


def site_of(address: str) -> str:
    """What counts as one address: an IPv4 address, or the network of an IPv6 address, where one has 2^64 of them."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address  # a local socket's, which has none
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, _IPV6_SITE_BITS), strict=False))
