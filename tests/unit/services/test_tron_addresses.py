"""Addresses of TRON by their checksum, and amounts in whole sun."""

from __future__ import annotations

import pytest

from master.services.payment.tron import MAX_FEE_LIMIT_SUN, check_address, check_fee_limit, check_sun, is_public_host

USDT = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


@pytest.mark.parametrize("address", [USDT, "TXYZopYRdj2D9XRtbG411XZZ3kM5VkAeBf"])
def test_a_contract_of_a_real_network_is_an_address(address: str) -> None:
    """The contracts of USDT on the main network and on a test network have the right checksum."""
    assert check_address(address) == address


def test_every_mistyped_character_is_found() -> None:
    """Whichever character of an address is replaced by any other, the address is refused."""
    accepted = []
    for place in range(1, len(USDT)):
        for character in ALPHABET:
            changed = f"{USDT[:place]}{character}{USDT[place + 1 :]}"
            if changed != USDT:
                try:
                    accepted.append(check_address(changed))
                except ValueError:
                    continue
    assert accepted == []


def test_two_characters_that_are_swapped_are_found() -> None:
    """Two neighbours that change places are refused, too."""
    for place in range(1, len(USDT) - 1):
        swapped = f"{USDT[:place]}{USDT[place + 1]}{USDT[place]}{USDT[place + 2 :]}"
        if swapped != USDT:
            with pytest.raises(ValueError, match=r"checksum|more than"):
                check_address(swapped)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "34 characters"),
        (USDT[:-1], "34 characters"),
        ("0x" + USDT[2:], "starts with T"),
        (USDT[:5] + "0" + USDT[6:], "'0' in it"),
        (USDT[:5] + "l" + USDT[6:], "'l' in it"),
        ("T" + "z" * 33, "checksum"),
    ],
)
def test_what_is_no_address_is_refused_with_the_reason(text: str, words: str) -> None:
    """The length, the alphabet and the checksum each have a sentence of their own."""
    with pytest.raises(ValueError, match=words):
        check_address(text)


@pytest.mark.parametrize("value", [1.0, "1", True, None, 10.5])
def test_an_amount_that_is_no_whole_number_is_refused(value: object) -> None:
    """A float can't hold every amount, so that even a whole one is refused."""
    with pytest.raises(ValueError, match="whole number of sun"):
        check_sun(value)


@pytest.mark.parametrize("sun", [0, -1, MAX_FEE_LIMIT_SUN + 1])
def test_a_fee_limit_that_the_network_would_not_take_is_refused(sun: int) -> None:
    """Nothing, less than nothing, and more than the network's own limit."""
    with pytest.raises(ValueError, match="sun"):
        check_fee_limit(sun)


def test_a_fee_limit_up_to_the_networks_own_is_taken() -> None:
    """Both ends of the range are in it."""
    assert check_fee_limit(1) == 1
    assert check_fee_limit(MAX_FEE_LIMIT_SUN) == MAX_FEE_LIMIT_SUN


@pytest.mark.parametrize(
    ("host", "public"),
    [("api.trongrid.io", True), ("trongrid.io.", True), ("nottrongrid.io", False), ("trongrid.io.example", False)],
)
def test_public_nodes_are_known_by_their_domain(host: str, public: bool) -> None:
    """A domain counts with what is below it, not what merely ends alike."""
    assert is_public_host(host) is public
