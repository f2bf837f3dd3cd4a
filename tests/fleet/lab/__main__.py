"""The lab by hand: `python tests/fleet/lab make [KIND…]`, `up KIND…`, `down`. It stays up when `up` has ended."""

from __future__ import annotations

import sys

from labs import Lab
from rootfs import KINDS, CanNotError, rootfs


def main() -> int:
    try:
        match sys.argv[1:]:
            case ["make", *kinds]:
                for kind in kinds or KINDS:
                    sys.stdout.write(f"{kind}: {rootfs(kind)}\n")
            case ["up", *kinds] if kinds and set(kinds) <= set(KINDS):
                lab = Lab()
                lab.up(kinds)
                sys.stdout.write(f"inventory: {lab.inventory}\nknown_hosts: {lab.known_hosts}\n")
            case ["down"]:
                Lab().down()
            case _:
                sys.stderr.write(f"{__doc__}\nkinds: {', '.join(KINDS)}\n")
                return 2
    except CanNotError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
