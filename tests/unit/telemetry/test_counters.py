"""A machine's CPU, memory, network and disk counters come from the kernel's files, in agreement with psutil."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pi_boards import lay_out

from worker.telemetry.counters import (
    Jiffies,
    ProcCounters,
    PsutilCounters,
    cpu_percent,
    open_counters,
    parse_disk,
    parse_meminfo,
    parse_net_dev,
    parse_stat,
)

needs_proc = pytest.mark.skipif(not Path("/proc/stat").exists(), reason="needs Linux")


def test_the_time_that_guests_had_is_counted_once() -> None:
    """The CPU time of guests counts once, as part of the users' time, and waiting for a disk is idle time."""
    assert parse_stat(b"cpu  100 20 30 800 40 5 4 1 99 99\ncpu0 1 2\n") == Jiffies(160, 1000)


@pytest.mark.parametrize("text", [b"", b"cpu\n", b"cpu  1 2 3\n", b"intr 1 2 3 4 5 6 7 8\n", b"cpu a b c d e f g h\n"])
def test_what_are_no_cpu_times_is_refused(text: bytes) -> None:
    """Text that is no line of CPU times is refused, and not read as an idle machine."""
    with pytest.raises(ValueError, match=r"CPU times|invalid literal"):
        parse_stat(text)


@pytest.mark.parametrize(
    ("before", "now", "percent"),
    [
        (Jiffies(0, 0), Jiffies(50, 200), 25.0),
        (Jiffies(10, 100), Jiffies(10, 100), 0.0),
        (Jiffies(10, 100), Jiffies(9, 110), 0.0),
        (Jiffies(10, 100), Jiffies(5, 50), 0.0),
        (Jiffies(10, 100), Jiffies(130, 200), 100.0),
    ],
)
def test_a_share_is_a_share(before: Jiffies, now: Jiffies, percent: float) -> None:
    """A CPU share is between 0 and 100 %, also when no time has passed or a counter ran backwards."""
    assert cpu_percent(before, now) == percent


@pytest.mark.parametrize("text", [b"", b"MemTotal: 12 kB\n", b"MemTotal: 0 kB\nMemAvailable: 0 kB\n"])
def test_memory_that_is_not_told_is_refused(text: bytes) -> None:
    """Memory figures of a kernel that does not say what is available are refused, so that psutil is asked."""
    with pytest.raises(ValueError, match="no line of memory"):
        parse_meminfo(text)


PARSERS: list[Callable[[bytes], Any]] = [
    parse_net_dev,
    parse_disk,
]


@pytest.mark.parametrize("parse", PARSERS)
@given(text=st.binary() | st.text("0123456789 :\nsda-").map(str.encode))
def test_garbage_counts_nothing_or_something_but_never_less_than_nothing(
    parse: Callable[[bytes], tuple[int, int]], text: bytes
) -> None:
    """Any bytes as counters of network or disks raise nothing and give no negative number."""
    assert min(parse(text)) >= 0


def test_a_boards_counters_are_read(tmp_path: Path) -> None:
    """A disk counts once, without its partitions, and all network interfaces count."""
    root = lay_out("4b-bookworm", tmp_path)
    counters = ProcCounters(root).read()
    assert counters.memory_used_bytes == (7_999_744 - 7_200_000) * 1024
    assert (counters.network_received_bytes, counters.network_sent_bytes) == (81_239_687, 9_350_798)
    assert (counters.disk_read_bytes, counters.disk_written_bytes) == (1_834_562 * 512, 213_848 * 512)


def test_what_lies_on_a_disk_is_not_counted_beside_it(tmp_path: Path) -> None:
    """Volumes on a disk, and compressed memory, are not counted beside the disk."""
    counters = ProcCounters(lay_out("x86", tmp_path)).read()
    assert (counters.disk_read_bytes, counters.disk_written_bytes) == (9_834_562 * 512, 5_213_848 * 512)


@pytest.mark.parametrize("missing", ["proc/net/dev", "sys/block/mmcblk0/stat"])
def test_a_machine_that_does_not_count_has_none(tmp_path: Path, missing: str) -> None:
    """A machine without a file of counters, as some containers, counts zero."""
    root = lay_out("5", tmp_path)
    (root / missing).unlink()
    assert 0 in ProcCounters(root).read()[3:]


@pytest.mark.parametrize("missing", ["proc/stat", "proc/meminfo"])
def test_without_the_kernels_files_psutil_is_asked(tmp_path: Path, missing: str) -> None:
    """Without the kernel's files, as on systems other than Linux, psutil is asked."""
    root = lay_out("5", tmp_path)
    assert isinstance(open_counters(root), ProcCounters)
    (root / missing).unlink()
    counters = open_counters(root)
    assert isinstance(counters, PsutilCounters)
    assert 0 < counters.read().memory_used_bytes < counters.memory_bytes == psutil.virtual_memory().total


def test_psutil_may_know_of_no_network_and_no_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where psutil knows of no network or disks, their counters are zero."""
    for missing in ("net_io_counters", "disk_io_counters"):
        monkeypatch.setattr(psutil, missing, lambda: None)
    assert PsutilCounters().read()[3:] == (0, 0, 0, 0)


@needs_proc
def test_this_machines_memory_and_network_are_as_psutil_says() -> None:
    """This machine's memory and network are as psutil reads them from the same files a moment before or after."""
    memory, network = psutil.virtual_memory(), psutil.net_io_counters()
    counters = ProcCounters(Path("/")).read()
    assert counters.memory_percent == pytest.approx(memory.percent, abs=5)
    after = psutil.net_io_counters()
    assert network.bytes_recv <= counters.network_received_bytes <= after.bytes_recv
    assert network.bytes_sent <= counters.network_sent_bytes <= after.bytes_sent
