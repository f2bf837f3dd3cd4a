"""Metadata: media are searched for and read, and some of the user's own are changed, which reads and searches must show."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256

import msgspec

from worker.users.streamgate import replies
from worker.users.streamgate.answer import Answer, WrongReplyError, identifier
from worker.users.streamgate.base import StreamGateClient
from worker.users.streamgate.popularity import pick_medium
from worker.users.streamgate.sample_files import make_file, make_title
from worker.users.streamgate.uploads import MULTIPART

_MEDIUM = "/media/[id]"
_MEDIA = "/media"
_PAGE = 10
_MOST_KNOWN = 32
_CHANGES = 3
_JSON = {"Content-Type": "application/json"}


class Library:
    """Searches and reads media, and looks after one of its own: stores, retitles and removes it."""

    def __init__(self, user: StreamGateClient) -> None:
        self._user = user
        self._words: list[str] = []  # of titles that were read
        self._entity_tags: OrderedDict[str, str] = OrderedDict()
        self._own: str | None = None
        self._title = ""
        self._changes_left = 0
        self._unread: list[str] = []  # where the last change has yet to be looked for

    def step(self) -> None:
        """One search, read or change."""
        drawn = self._user.random.random()
        if drawn < 0.35:
            self._search()
        elif drawn < 0.85:
            self._read()
        else:
            self._look_after_own()

    def _search(self) -> None:
        words = self._user.random.choice(self._words) if self._words else ""
        query = f"query={words}&" if words else ""
        found = self._user.ask(
            "GET", f"{_MEDIA}?{query}limit={_PAGE}", _MEDIA, lambda answer: _check_page(answer, words)
        )
        if found is not None and found.media and len(self._words) < _MOST_KNOWN:
            title = self._user.random.choice(found.media).title
            self._words += [word for word in title.lower().split() if word.isalnum() and word.isascii()]

    def _read(self) -> None:
        medium = pick_medium(self._user.random)
        known = self._entity_tags.get(medium)

        def check(answer: Answer) -> str | None:
            if known is not None and answer.status == 304:
                return known
            if answer.decoded(replies.MediumReply, 200).id != medium:
                raise WrongReplyError("another medium than was asked for")
            tag = answer.entity_tag()
            if tag == known:
                raise WrongReplyError("what was known was sent again (RFC 9110 13.1.2)")
            return tag

        headers = None if known is None else {"If-None-Match": known}
        tag = self._user.ask("GET", f"{_MEDIA}/{medium}", _MEDIUM, check, headers)
        if tag is not None:
            self._entity_tags[medium] = tag
            if len(self._entity_tags) > _MOST_KNOWN:
                self._entity_tags.popitem(last=False)

    def _look_after_own(self) -> None:
        if self._own is None:
            self._store()
        elif self._unread:
            self._find_change(self._own, self._unread.pop())
        elif self._changes_left:
            self._changes_left -= 1
            self._retitle(self._own)
        else:
            own, self._own = self._own, None
            self._user.ask("DELETE", f"{_MEDIA}/{own}", _MEDIUM, lambda answer: answer.require_status(204))

    def _store(self) -> None:
        content = make_file(self._user.random, 256, 1024)
        self._title = make_title(self._user.random)
        self._changes_left = _CHANGES
        self._unread = ["read", "search"]

        def check(answer: Answer) -> str:
            stored = answer.decoded(replies.StoredMediumReply, 201)
            if (stored.size_bytes, stored.sha256) != (len(content), sha256(content).hexdigest()):
                raise WrongReplyError("what was stored is not what was sent")
            return identifier(stored.media)

        self._own = self._user.ask("POST", MULTIPART, MULTIPART, check, body={"title": self._title}, file=content)

    def _retitle(self, own: str) -> None:
        self._title = make_title(self._user.random)
        self._unread = ["read", "search"]
        body = msgspec.json.encode({"title": self._title})
        changed = self._user.ask("PATCH", f"{_MEDIA}/{own}", _MEDIUM, self._check_own, _JSON, body)
        if changed is None:
            self._own = None  # nobody knows which title it has: what follows could not be checked

    def _find_change(self, own: str, where: str) -> None:
        """Look whether caches and the index have the new title."""
        if where == "read":
            self._user.ask("GET", f"{_MEDIA}/{own}", _MEDIUM, self._check_own)
            return
        word = self._title.split()[-1]

        def check(answer: Answer) -> None:
            if [medium.id for medium in _check_page(answer, word).media] != [own]:
                raise WrongReplyError("a search does not show the title that was set")

        self._user.ask("GET", f"{_MEDIA}?query={word}&limit={_PAGE}", _MEDIA, check)

    def _check_own(self, answer: Answer) -> replies.MediumReply:
        found = answer.decoded(replies.MediumReply, 200)
        if (found.id, found.title) != (self._own, self._title):
            raise WrongReplyError("a medium has another title than was set")
        return found


def _check_page(answer: Answer, words: str) -> replies.MediaPageReply:
    page = answer.decoded(replies.MediaPageReply, 200)
    if len(page.media) > _PAGE:
        raise WrongReplyError("a page is longer than its limit")
    if not all(medium.has_words(words) for medium in page.media):
        raise WrongReplyError("a medium was found that has not the words")
    return page
