"""Which of the oldest rows go."""

from hypothesis import given
from hypothesis import strategies as st

from master.target.database.retention import Retention


@given(
    sizes=st.lists(st.integers(1, 2000), max_size=300), max_rows=st.integers(1, 100), max_bytes=st.integers(1, 20_000)
)
def test_retention_never_exceeds_its_bounds_and_drops_the_oldest_first(
    sizes: list[int], max_rows: int, max_bytes: int
) -> None:
    """A model that keeps all rows and deletes up to the number it is told agrees with what retention says it keeps."""
    retention = Retention(max_rows, max_bytes)
    kept = {}
    for serial, size in enumerate(sizes, 1):
        kept[serial] = size
        last = retention.add(serial, size)
        if last is not None:
            kept = {key: value for key, value in kept.items() if key > last}
        assert serial in kept
        assert (len(retention), retention.bytes) == (len(kept), sum(kept.values()))
        assert len(kept) <= max_rows
        assert sum(kept.values()) <= max_bytes or len(kept) == 1


def test_deleting_is_amortised() -> None:
    retention = Retention(6400)
    deletions = sum(retention.add(serial) is not None for serial in range(12_800))
    assert deletions <= 64
