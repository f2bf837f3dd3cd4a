"""Watching: a playlist, then the content by ranges and segments, on and with leaps."""

from __future__ import annotations

from worker.users.streamgate.answer import Answer, WrongReplyError
from worker.users.streamgate.base import StreamGateClient
from worker.users.streamgate.content import (
    PIECE_BYTES,
    SEGMENT_BYTES,
    check_beyond_end,
    check_range,
    check_segment,
    range_header,
    seen_content,
)
from worker.users.streamgate.playlist import Playlist, PlaylistError, read_playlist
from worker.users.streamgate.popularity import pick_medium

_CONTENT = "/media/[id]/content"
_LEAST_STEPS, _MOST_STEPS = 5, 25


class Playback:
    """Watches some of a medium, then of another. Popular media are chosen more often."""

    def __init__(self, user: StreamGateClient) -> None:
        self._user = user
        self._seen = seen_content(user.host or "")
        self._medium = ""
        self._playlist: Playlist | None = None
        self._total_bytes = 0  # 0: not known yet
        self._at_bytes = 0
        self._steps_left = 0

    def step(self) -> None:
        """The next request of the player."""
        if self._playlist is None or not self._steps_left:
            self._open()
            return
        self._steps_left -= 1
        drawn = self._user.random.random()
        if drawn < 0.04:
            self._read_segment(self._playlist)
        elif drawn < 0.05 and self._total_bytes:
            self._leap_beyond_end()
        else:
            if drawn > 0.9:
                self._at_bytes = self._user.random.randrange(self._readable_bytes(self._playlist))
            self._read_range(self._playlist)

    def _open(self) -> None:
        random = self._user.random
        self._medium = pick_medium(random)
        self._steps_left = random.randint(_LEAST_STEPS, _MOST_STEPS)
        self._at_bytes = self._total_bytes = 0
        self._playlist = self._user.ask(
            "GET", f"/media/{self._medium}/playlist.m3u8", "/media/[id]/playlist.m3u8", _check_playlist
        )

    def _readable_bytes(self, playlist: Playlist) -> int:
        """So many bytes there are at least."""
        return self._total_bytes or (len(playlist.segments) - 1) * SEGMENT_BYTES + 1

    def _read_range(self, playlist: Playlist) -> None:
        if self._at_bytes >= self._readable_bytes(playlist):
            self._at_bytes = 0
        first_byte = self._at_bytes = self._at_bytes // PIECE_BYTES * PIECE_BYTES

        def check(answer: Answer) -> int:
            total_bytes = check_range(answer, self._medium, first_byte, self._seen)
            self._require_length(total_bytes, playlist)
            return total_bytes

        total_bytes = self._user.ask("GET", f"/media/{self._medium}/content", _CONTENT, check, range_header(first_byte))
        self._total_bytes = total_bytes or self._total_bytes
        self._at_bytes += PIECE_BYTES

    def _leap_beyond_end(self) -> None:
        def check(answer: Answer) -> None:
            if check_beyond_end(answer) != self._total_bytes:
                raise WrongReplyError("the content has another length than before")

        headers = range_header(self._total_bytes)
        self._user.ask("GET", f"/media/{self._medium}/content", _CONTENT, check, headers)

    def _read_segment(self, playlist: Playlist) -> None:
        number = min(self._at_bytes // SEGMENT_BYTES, len(playlist.segments) - 1)
        is_last = number == len(playlist.segments) - 1
        path = segment_path(self._medium, playlist.segments[number].uri)
        self._user.ask(
            "GET",
            path,
            "/media/[id]/segments/[n]",
            lambda answer: check_segment(answer, self._medium, number, is_last=is_last, seen=self._seen),
        )
        self._at_bytes = (number + 1) * SEGMENT_BYTES

    def _require_length(self, total_bytes: int, playlist: Playlist) -> None:
        if self._total_bytes not in (0, total_bytes):
            raise WrongReplyError("the content has another length than before")
        if -(-total_bytes // SEGMENT_BYTES) != len(playlist.segments):
            raise WrongReplyError("the playlist has more or fewer segments than the content")


def segment_path(medium: str, uri: str) -> str:
    """The path of a segment whose address in the medium's playlist is `uri`; `_check_playlist` has looked at that."""
    return f"/media/{medium}/{uri}"


def _check_playlist(answer: Answer) -> Playlist:
    answer.require_status(200)
    try:
        playlist = read_playlist(answer.content)
    except PlaylistError as error:
        raise WrongReplyError(f"playlist: {error}") from None
    # The target's segments are numbered below the playlist; nobody is to be led elsewhere.
    if any(segment.uri != f"segments/{number}" for number, segment in enumerate(playlist.segments)):
        raise WrongReplyError("playlist: a segment is not where segments are")
    return playlist
