"""Platforms that a release can be built for: an architecture and a minor version of Python. Pure."""

from __future__ import annotations

from dataclasses import dataclass

ARCHITECTURES = {"aarch64": 183, "x86_64": 62}
"""Architectures by the name that `uname -m` prints, with the machine number of an ELF header."""
PYTHONS = ("3.11", "3.13")
"""Python versions of Raspberry Pi OS bookworm and trixie."""


@dataclass(frozen=True, order=True)
class Platform:
    """Architecture and Python of a node. Raises ValueError for unsupported ones."""

    arch: str
    python: str

    def __post_init__(self) -> None:
        if self.arch not in ARCHITECTURES:
            raise ValueError(f"{self.arch!r} is not supported as an architecture: {', '.join(ARCHITECTURES)}")
        if self.python not in PYTHONS:
            raise ValueError(f"Python {self.python!r} is not supported on a node: {', '.join(PYTHONS)}")

    def __str__(self) -> str:
        return f"{self.arch}, Python {self.python}"

    @property
    def pip_platforms(self) -> tuple[str, ...]:
        """Platform tags for `pip --platform`, best first: wheels for glibc 2.28 (bookworm has 2.36) or older."""
        newest = [f"manylinux_2_{minor}_{self.arch}" for minor in range(28, 16, -1)]
        return (*newest, f"manylinux2014_{self.arch}", f"linux_{self.arch}")

    def markers(self, patch: int = 0) -> dict[str, str]:
        """Environment for evaluating the markers of a lock file, for Python 3.x.`patch`."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.{patch}",
            "os_name": "posix",
            "platform_machine": self.arch,
            "platform_python_implementation": "CPython",
            "platform_system": "Linux",
            "python_full_version": f"{self.python}.{patch}",
            "python_version": self.python,
            "sys_platform": "linux",
            "extra": "",
        }


PLATFORMS = tuple(Platform(arch, python) for arch in ARCHITECTURES for python in PYTHONS)
