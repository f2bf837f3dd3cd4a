"""Addresses and amounts of TRON, as a payment service is configured with. Pure.

An address is Base58Check (Bitcoin wiki, "Base58Check encoding"): a version byte, 20 bytes of a hash, and the first four bytes of
the double SHA-256 of these 21, so that a mistyped one is found.
"""

from __future__ import annotations

import hashlib
import re

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VERSION = 0x41
"""The first byte of an address, on the main network and on test networks alike; it makes the text start with T."""
_LENGTH, _CHECKSUM_BYTES, _BYTES = 34, 4, 25
SUN_PER_TRX = 1_000_000
MAX_FEE_LIMIT_SUN = 15_000 * SUN_PER_TRX
"""The most that the network lets a transaction burn (its parameter getMaxFeeLimit)."""
MAX_SUN = 2**63 - 1
"""Amounts are 64 bit signed integers on the wire."""
HOSTS = {"mainnet": "api.trongrid.io", "shasta": "api.shasta.trongrid.io", "nile": "nile.trongrid.io"}
"""The public host of each network."""
PUBLIC_DOMAINS = ("trongrid.io", "tronstack.io", "tron.network", "nileex.io")
"""Domains of public nodes: a payment service's, whatever a file says."""


def is_public_host(host: str) -> bool:
    """Whether `host` is a public node of TRON."""
    host = host.rstrip(".")
    return any(host == domain or host.endswith(f".{domain}") for domain in PUBLIC_DOMAINS)


def check_address(text: str) -> str:
    """`text` if it is an address with the right checksum; else ValueError."""
    if len(text) != _LENGTH or not text.startswith("T"):
        raise ValueError(f"{text!r:.60} is no address of TRON: it has {_LENGTH} characters and starts with T")
    wrong = re.search(f"[^{_ALPHABET}]", text)
    if wrong:
        raise ValueError(
            f"{text!r:.60} has {wrong[0]!r} in it, which Base58 has not (0, O, I and l look too much alike)"
        )
    number = 0
    for character in text:
        number = number * 58 + _ALPHABET.index(character)
    if number >= 256**_BYTES:
        raise ValueError(f"{text!r:.60} is no address of TRON: it stands for more than {_BYTES} bytes")
    content = number.to_bytes(_BYTES, "big")
    payload, checksum = content[:-_CHECKSUM_BYTES], content[-_CHECKSUM_BYTES:]
    if hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:_CHECKSUM_BYTES] != checksum:
        raise ValueError(f"{text!r:.60} has a wrong checksum (Base58Check): a character is mistyped, or missing")
    if payload[0] != _VERSION:
        raise ValueError(f"{text!r:.60} is an address of another chain: its first byte is {payload[0]:#04x}, not 0x41")
    return text


def check_sun(value: object) -> int:
    """`value` if it is a whole number of sun from 0; else ValueError. A float can't hold every amount exactly."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(  # noqa: TRY004  # pydantic tells the operator of a ValueError alone
            f"{value!r:.60} is no whole number of sun: 1 TRX is {SUN_PER_TRX} sun, e.g. 30000000 for 30 TRX"
        )
    if not 0 <= value <= MAX_SUN:
        raise ValueError(f"{value} is not from 0 to {MAX_SUN} sun")
    return value


def check_fee_limit(value: object) -> int:
    """`value` if it is a fee limit that the network takes, in sun; else ValueError."""
    sun = check_sun(value)
    if not 0 < sun <= MAX_FEE_LIMIT_SUN:
        raise ValueError(
            f"{sun} is not from 1 to {MAX_FEE_LIMIT_SUN} sun, the most that the network takes as a fee limit"
        )
    return sun
