"""How busy a machine is: CPU, memory, network and disks.

On Linux they are read from /proc: psutil opens its files anew and makes a thing of each line, which costs forty times as much.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

import psutil

from worker.files import KeptFile

SECTOR_BYTES = 512
"""What /proc/diskstats counts in, whatever a disk's own sectors are (kernel documentation, iostats)."""


class Counters(NamedTuple):
    """One reading. Network and disks are counted from some time before; a machine that does not count them has 0."""

    cpu_percent: float
    """Of all cores together, over the time since the reading before."""
    memory_percent: float
    memory_used_bytes: int
    network_received_bytes: int
    network_sent_bytes: int
    disk_read_bytes: int
    disk_written_bytes: int


class CounterSource(Protocol):
    """Where they come from."""

    def read(self) -> Counters:
        """The counters now."""


class Jiffies(NamedTuple):
    """The time of all cores so far, in the kernel's ticks."""

    busy: int
    total: int


def parse_stat(text: bytes) -> Jiffies:
    """The first line of /proc/stat. Raises ValueError when it is no such line."""
    fields = text.partition(b"\n")[0].split()
    if len(fields) < 9 or fields[0] != b"cpu":
        raise ValueError("no line of CPU times")
    # user, nice, system, idle, iowait, irq, softirq, steal; then guests, which user and nice have in them already
    ticks = [int(field) for field in fields[1:9]]
    total = sum(ticks)
    return Jiffies(total - ticks[3] - ticks[4], total)


def parse_meminfo(text: bytes) -> tuple[int, int]:
    """Bytes of memory in all, and those available without swapping. Raises ValueError when one is missing."""
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(b":")
        if name in (b"MemTotal", b"MemAvailable"):
            found[name] = int(value.split()[0]) * 1024
    if len(found) < 2 or not found[b"MemTotal"]:
        raise ValueError("no line of memory")
    return found[b"MemTotal"], min(found[b"MemAvailable"], found[b"MemTotal"])


def parse_net_dev(text: bytes) -> tuple[int, int]:
    """Bytes received and sent by all interfaces together, loopback included."""
    received = sent = 0
    for line in text.splitlines():
        _, colon, rest = line.rpartition(b":")
        fields = rest.split()
        if colon and len(fields) >= 9 and fields[0].isdigit() and fields[8].isdigit():
            received += int(fields[0])
            sent += int(fields[8])
    return received, sent


def parse_diskstats(text: bytes, disks: set[bytes]) -> tuple[int, int]:
    """Bytes read and written by `disks` together."""
    read = written = 0
    for line in text.splitlines():
        fields = line.split()
        if len(fields) >= 10 and fields[2] in disks and fields[5].isdigit() and fields[9].isdigit():
            read += int(fields[5])
            written += int(fields[9])
    return read * SECTOR_BYTES, written * SECTOR_BYTES


def cpu_percent(before: Jiffies, now: Jiffies) -> float:
    """The share of the time between that was busy; 0 when no time has passed, or the counters ran backwards."""
    passed = now.total - before.total
    return min(100.0, max(0.0, 100 * (now.busy - before.busy) / passed)) if passed > 0 else 0.0


class ProcCounters:
    """Those of a Linux machine, whose files are below `root`."""

    def __init__(self, root: Path) -> None:
        """Raises OSError and ValueError where the kernel tells neither CPU times nor memory."""
        self._stat = KeptFile(root / "proc/stat")
        self._meminfo = KeptFile(root / "proc/meminfo")
        self._net_dev = KeptFile(root / "proc/net/dev")
        self._diskstats = KeptFile(root / "proc/diskstats")
        self._disks = _real_disks(root)
        self._before = parse_stat(self._stat.head())
        self.memory_bytes, _ = parse_meminfo(self._meminfo.head())

    def read(self) -> Counters:
        """The counters now."""
        now = parse_stat(self._stat.head())
        percent, self._before = cpu_percent(self._before, now), now
        total, available = parse_meminfo(self._meminfo.head())
        received, sent = parse_net_dev(_all(self._net_dev))
        read, written = parse_diskstats(_all(self._diskstats), self._disks)
        used = total - available
        return Counters(percent, 100 * used / total, used, received, sent, read, written)


class PsutilCounters:
    """Those of any machine that psutil knows."""

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
    """The cheapest there are for the machine whose files are below `root`."""
    try:
        return ProcCounters(root)
    except (OSError, ValueError):
        return PsutilCounters()


def _real_disks(root: Path) -> set[bytes]:
    """Those that are devices: what is on top of others (loop, dm, md, zram) would count their bytes twice."""
    folder = root / "sys/block"
    names = [disk.name for disk in folder.iterdir()] if folder.is_dir() else []
    return {name.encode() for name in names if (folder / name / "device").exists()}


def _all(file: KeptFile) -> bytes:
    try:
        return file.all()
    except OSError:
        return b""
