"""Makes the modules of tests/performance importable, whose tests these are."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "performance"))
