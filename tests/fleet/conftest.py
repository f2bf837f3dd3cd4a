"""The lab's hosts for tests that deploy to real machines: systemd, sshd and sudo, in namespaces of this machine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "lab"))

from labs import Lab, skip_reason
from rootfs import CanNotError


@pytest.fixture(scope="module")
def lab_of() -> Iterator[Callable[..., Lab]]:
    """A function that starts a lab with a host of each kind that is named; it is ended with the module's tests."""
    reason = skip_reason()
    if reason:
        pytest.skip(f"no lab hosts: {reason}")
    lab = Lab()

    def up(*kinds: str) -> Lab:
        try:
            lab.up(kinds)
        except CanNotError as error:
            pytest.skip(f"no lab hosts: {error}")
        return lab

    try:
        yield up
    finally:
        if lab.is_ours:
            lab.down()
