"""A media playlist of HTTP Live Streaming for a whole medium, RFC 8216 section 4.3.3. Pure."""

from __future__ import annotations

import math
from functools import lru_cache

from master.target.streamgate.media.medium import SEGMENT_BYTES, SEGMENT_S

MEDIA_TYPE = "application/vnd.apple.mpegurl"


@lru_cache(maxsize=512)  # of 256 lines at most
def playlist(size_bytes: int) -> bytes:
    """The playlist of a medium of that size; its segments' names are relative to its own."""
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:3",  # the first with fractions of a second
        f"#EXT-X-TARGETDURATION:{math.ceil(SEGMENT_S)}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
    ]
    for number, start in enumerate(range(0, size_bytes, SEGMENT_BYTES)):
        duration_s = min(size_bytes - start, SEGMENT_BYTES) / SEGMENT_BYTES * SEGMENT_S
        lines += [f"#EXTINF:{duration_s:.6f},", f"segments/{number}"]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""]).encode()
