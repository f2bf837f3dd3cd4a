"""Revoked families of tokens."""

from master.target.auth.revocations import Revocations


def test_a_family_is_revoked_until_its_last_token_has_expired() -> None:
    """It is let go when another one comes."""
    revocations = Revocations()
    revocations.add("a", 10.0, now=0.0)
    revocations.add("b", 20.0, now=9.9)
    assert "a" in revocations
    revocations.add("c", 30.0, now=10.0)
    assert "a" not in revocations
    assert "b" in revocations


def test_the_oldest_go_when_there_are_too_many() -> None:
    revocations = Revocations(max_families=100)
    for number in range(1000):
        revocations.add(str(number), 1e9, now=0.0)
    assert len(revocations) == 100
    assert "900" in revocations
    assert "899" not in revocations
