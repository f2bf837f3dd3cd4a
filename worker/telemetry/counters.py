"""Counters of a machine's CPU, memory, network and disks.

On Linux they are read from /proc: psutil opens its files at each call and makes an object of each line, at forty times the cost.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import psutil

from worker.telemetry.proc_files import OpenFile

SECTOR_BYTES = 512
"""What the kernel counts in, whatever a disk's own sectors are (kernel documentation, iostats)."""


class Counters(NamedTuple):
    """One reading. Network and disk bytes count from some earlier time; 0 where a machine does not count them."""

    cpu_percent: float
    """CPU use of all cores together since the reading before."""
    memory_percent: float
    memory_used_bytes: int
    network_received_bytes: int
    network_sent_bytes: int
    disk_read_bytes: int
    disk_written_bytes: int


class Jiffies(NamedTuple):
    """CPU time of all cores since the machine started, in the kernel's ticks."""

    busy: int
    total: int


def parse_stat(text: bytes) -> Jiffies:
    """Parse the first line of /proc/stat. Raises ValueError for any other."""
    fields = text.partition(b"\n")[0].split(None, 9)
    if len(fields) < 9 or fields[0] != b"cpu":
        raise ValueError("no line of CPU times")
    # user, nice, system, idle, iowait, irq, softirq, steal; then guests, which user and nice have in them already
    ticks = [int(field) for field in fields[1:9]]
    total = sum(ticks)
    return Jiffies(total - ticks[3] - ticks[4], total)


_MEMORY_BYTES = 256
"""The first three lines, of 28 bytes each, are enough: MemTotal, MemFree, MemAvailable (Linux, fs/proc/meminfo.c)."""
_MEMORY = re.compile(rb"^MemTotal: +(\d+) kB\n(?:.*\n){0,3}?MemAvailable: +(\d+) kB$", re.MULTILINE)


def parse_meminfo(text: bytes) -> tuple[int, int]:
    """Total bytes of memory, and those available without swapping, from /proc/meminfo. Raises ValueError if one is missing."""
    found = _MEMORY.search(text)
    if found is None or not (total := int(found[1])):
        raise ValueError("no line of memory")
    return total * 1024, min(int(found[2]), total) * 1024


def parse_net_dev(text: bytes) -> tuple[int, int]:
    """Bytes received and sent by all interfaces together, loopback included, from /proc/net/dev."""
    received = sent = 0
    for line in text.splitlines():
        _, colon, rest = line.rpartition(b":")
        fields = rest.split(None, 9)
        if colon and len(fields) >= 9 and fields[0].isdigit() and fields[8].isdigit():
            received += int(fields[0])
            sent += int(fields[8])
    return received, sent


def parse_disk(text: bytes) -> tuple[int, int]:
    """Bytes read from and written to a disk, from its `stat` in /sys/block."""
    fields = text.split(None, 7)
    if len(fields) < 7 or not (fields[2].isdigit() and fields[6].isdigit()):
        return 0, 0
    return int(fields[2]) * SECTOR_BYTES, int(fields[6]) * SECTOR_BYTES


def cpu_percent(before: Jiffies, now: Jiffies) -> float:
    """CPU use between two readings, 0 to 100; 0 when no time has passed, or the counters ran backwards."""
    passed = now.total - before.total
    return min(100.0, max(0.0, 100 * (now.busy - before.busy) / passed)) if passed > 0 else 0.0


class ProcCounters:
    """Counters of a Linux machine, whose files are below `root`."""

    def __init__(self, root: Path) -> None:
        """Raises OSError or ValueError if /proc lacks CPU times or memory."""
        self._stat = OpenFile(root / "proc/stat")
        self._meminfo = OpenFile(root / "proc/meminfo")
        self._net_dev = OpenFile(root / "proc/net/dev")
        # Their own files: /proc/diskstats has a line for each partition, loop and RAM disk as well, on a Pi about 30.
        self._disks = [OpenFile(folder / "stat") for folder in _real_disks(root)]
        self._before = parse_stat(self._stat.head())
        self.memory_bytes, _ = parse_meminfo(self._meminfo.head(_MEMORY_BYTES))

    def read(self) -> Counters:
        """The counters now."""
        now = parse_stat(self._stat.head())
        percent, self._before = cpu_percent(self._before, now), now
        total, available = parse_meminfo(self._meminfo.head(_MEMORY_BYTES))
        received, sent = parse_net_dev(_read_or_empty(self._net_dev.all))
        read = written = 0
        for disk in self._disks:
            read_here, written_here = parse_disk(_read_or_empty(disk.head))
            read += read_here
            written += written_here
        used = total - available
        return Counters(percent, 100 * used / total, used, received, sent, read, written)


class PsutilCounters:
    """Counters of any machine that psutil supports."""

    def __init__(self) -> None:
        psutil.cpu_percent()  # the first call only sets the point to measure from
        self.memory_bytes: int = psutil.virtual_memory().total

    def read(self) -> Counters:
        """The counters now."""
        memory = psutil.virtual_memory()
        network = psutil.net_io_counters()
        disk = psutil.disk_io_counters()
        return Counters(
            psutil.cpu_percent(),
            memory.percent,
            memory.total - memory.available,
            network.bytes_recv if network else 0,
            network.bytes_sent if network else 0,
            disk.read_bytes if disk else 0,
            disk.write_bytes if disk else 0,
        )


def open_counters(root: Path = Path("/")) -> ProcCounters | PsutilCounters:
    """The cheapest counters for the machine whose files are below `root`."""
    try:
        return ProcCounters(root)
    except (OSError, ValueError):
        return PsutilCounters()


def _real_disks(root: Path) -> list[Path]:
    """The disks that are devices: those on top of others (loop, dm, md, zram) would count bytes twice."""
    folder = root / "sys/block"
    disks = sorted(folder.iterdir()) if folder.is_dir() else []
    return [disk for disk in disks if (disk / "device").exists()]


def _read_or_empty(read: Callable[[], bytes]) -> bytes:
    try:
        return read()
    except OSError:
        return b""
