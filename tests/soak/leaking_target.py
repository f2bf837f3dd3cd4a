"""The embedded target with a leak: so many bytes a minute are kept and never used again.

python tests/soak/leaking_target.py BYTES_PER_MIN [options of python -m master.target]
"""

from __future__ import annotations

import sys
import threading
import time

from master.target.__main__ import main

STEP_S = 1.0


def leak(bytes_per_min: int, kept: list[bytearray]) -> None:
    """Keep more and more memory, a step at a time, for as long as the process lives."""
    began_s, total = time.monotonic(), 0
    while True:
        time.sleep(STEP_S)
        due = int((time.monotonic() - began_s) / 60 * bytes_per_min)
        # Written to, since pages that nobody writes to are not resident.
        kept.append(bytearray(b"\x01" * (due - total)))
        total = due


if __name__ == "__main__":
    threading.Thread(target=leak, args=(int(sys.argv[1]), []), daemon=True).start()
    sys.exit(main(sys.argv[2:]))
