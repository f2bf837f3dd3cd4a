"""A reader of HLS media playlists (RFC 8216), as strict as the RFC is with whoever writes one. No I/O.

The package m3u8 reads them too, but takes what the RFC forbids, which is what is to be found out here; it costs a node 13 MB
and 40 ms at its start.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

MAX_BYTES = 64 * 1024
"""A playlist of hours; none is read that is longer."""


class PlaylistError(ValueError):
    """What breaks the RFC, with its section."""


class Segment(NamedTuple):
    """One segment: its address relative to the playlist's, and how long it plays."""

    uri: str
    duration_s: float


class Playlist(NamedTuple):
    """A media playlist that is whole: video on demand."""

    target_duration_s: int
    segments: tuple[Segment, ...]

    @property
    def duration_s(self) -> float:
        """How long all of it plays."""
        return sum(segment.duration_s for segment in self.segments)


_ONCE = frozenset(
    {"EXT-X-VERSION", "EXT-X-TARGETDURATION", "EXT-X-MEDIA-SEQUENCE", "EXT-X-PLAYLIST-TYPE", "EXT-X-ENDLIST"}
)
_is_integer = re.compile(r"[0-9]{1,20}").fullmatch
_is_duration = re.compile(r"([0-9]{1,10}(?:\.[0-9]{1,20})?),[^\n]*").fullmatch


@lru_cache(maxsize=256)
def read_playlist(text: bytes) -> Playlist:
    """Read a media playlist of a medium that has ended. Raises PlaylistError.

    Equal ones are read once: players of one medium get the same.
    """
    lines = _lines(text)
    tags: dict[str, str] = {}
    segments = []
    duration: str | None = None
    for line in lines:
        if not line or (line.startswith("#") and not line.startswith("#EXT")):
            continue  # blank, or a comment (4.1)
        if not line.startswith("#"):
            if duration is None:
                raise PlaylistError("a segment has no EXTINF (4.3.2.1)")
            segments.append(Segment(line, float(duration)))
            duration = None
            continue
        name, _, value = line[1:].partition(":")
        if name == "EXTINF":
            duration = _duration(value)
        elif name in _ONCE:
            if name in tags:
                raise PlaylistError(f"{name} is there twice (4.1)")
            tags[name] = value
    if duration is not None:
        raise PlaylistError("EXTINF has no segment (4.3.2.1)")
    return _checked(tags, tuple(segments))


def _lines(text: bytes) -> list[str]:
    if len(text) > MAX_BYTES:
        raise PlaylistError(f"longer than {MAX_BYTES} bytes")
    try:
        decoded = text.decode()
    except UnicodeDecodeError:
        raise PlaylistError("not UTF-8 (4.1)") from None
    first, *lines = decoded.replace("\r\n", "\n").split("\n")
    if first != "#EXTM3U":
        raise PlaylistError("does not begin with EXTM3U (4.3.1.1)")
    return lines


def _duration(value: str) -> str:
    found = _is_duration(value)
    if found is None:
        raise PlaylistError("EXTINF has no duration (4.3.2.1)")
    return found[1]


def _checked(tags: dict[str, str], segments: tuple[Segment, ...]) -> Playlist:
    for name in ("EXT-X-VERSION", "EXT-X-TARGETDURATION", "EXT-X-MEDIA-SEQUENCE"):
        if name in tags and not _is_integer(tags[name]):
            raise PlaylistError(f"{name} is no number (4.2)")
    if "EXT-X-TARGETDURATION" not in tags:
        raise PlaylistError("EXT-X-TARGETDURATION is missing (4.3.3.1)")
    if "EXT-X-ENDLIST" not in tags:
        raise PlaylistError("EXT-X-ENDLIST is missing, though nothing more is to come (4.3.3.4)")
    if tags.get("EXT-X-PLAYLIST-TYPE", "VOD") != "VOD":
        raise PlaylistError("EXT-X-PLAYLIST-TYPE is not VOD (4.3.3.5)")
    target_s = int(tags["EXT-X-TARGETDURATION"])
    if any(round(segment.duration_s) > target_s for segment in segments):
        raise PlaylistError("a segment is longer than EXT-X-TARGETDURATION (4.3.3.1)")
    whole = all(segment.duration_s.is_integer() for segment in segments)
    if int(tags.get("EXT-X-VERSION", "1")) < 3 and not whole:
        raise PlaylistError("durations are decimal fractions, which need EXT-X-VERSION 3 (4.3.2.1)")
    if not segments:
        raise PlaylistError("no segments")
    return Playlist(target_s, segments)
