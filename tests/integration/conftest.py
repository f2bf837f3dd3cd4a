"""What the integration tests share: the real command and the real target."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import Piswarm, Target


@pytest.fixture
def piswarm(tmp_path: Path) -> Piswarm:
    return Piswarm(tmp_path)


@pytest.fixture
def target() -> Iterator[Target]:
    with Target() as started:
        yield started
