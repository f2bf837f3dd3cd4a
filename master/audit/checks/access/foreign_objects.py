"""Whether an account can read what is another's: objects that one account lists, and another of the same role does not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from master.audit.answer import Answer
from master.audit.example import NoExampleError, example
from master.audit.openapi import JSON, Operation
from master.audit.sign_in import Session
from master.audit.site import NotApplicableError, Site, invented_name

_MAX_TRIED = 3
"""Objects of each list: what is not checked for one is checked for none."""
_MAX_IDENTIFIER_CHARACTERS = 256


@dataclass(frozen=True, slots=True)
class Collection:
    """A list of objects, and the reads of one of them."""

    listing: Operation
    reads: tuple[Operation, ...]

    def ids_in(self, answer: Answer) -> list[str]:
        """The identifiers of the objects in an answer of the list."""
        content = answer.json if answer.is_success else None
        rows = content if isinstance(content, list) else _only_list(content)
        return [found for row in rows if (found := self.id_of(row)) is not None]

    def id_of(self, row: Any) -> str | None:
        """The identifier of one object: what is called like the variable of its path, or else its `id`."""
        variable = self.reads[0].path.partition("{")[2].partition("}")[0]
        fields: Mapping[str, Any] = row if isinstance(row, Mapping) else {}
        found = fields.get(variable, fields.get("id"))
        is_one = isinstance(found, str | int) and not isinstance(found, bool)
        return str(found) if is_one and 0 < len(str(found)) <= _MAX_IDENTIFIER_CHARACTERS else None


def find_collections(operations: Sequence[Operation]) -> list[Collection]:
    """The lists among `operations` whose objects can be read one by one."""
    found = []
    for listing in operations:
        reads = tuple(
            each
            for each in operations
            if each.method == "GET" and each.path.startswith(f"{listing.path}/{{") and each.path.count("{") == 1
        )
        if listing.is_plain_read and listing.secured and reads:
            found.append(Collection(listing, reads))
    return found


def foreign_reads(site: Site) -> Iterator[str]:
    """Reads by an account of what is another's alone. Raises NotApplicableError where nothing of the kind can be tried."""
    if not site.other_sessions:
        raise NotApplicableError(
            "no role has a second account to read what is the first one's: name two with --account"
        )
    tried = 0
    for collection in find_collections(site.operations):
        for role, other in site.other_sessions.items():
            owner = site.sessions.get(role)
            if owner is None or (collection.listing.roles and role not in collection.listing.roles):
                continue
            with _something_own(site, collection, owner, other) as own:
                for identifier in own:
                    tried += 1
                    yield from _reads_of(site, collection, identifier, owner, other)
    if not tried:
        raise NotApplicableError(
            "no account lists anything that another of its role does not"
            + ("" if site.create else ": with --create the audit makes something")
        )


def _reads_of(site: Site, collection: Collection, identifier: str, owner: Session, other: Session) -> Iterator[str]:
    for read in collection.reads:
        if site.ask(read, session=owner, value=identifier).is_success:
            answer = site.ask(read, session=other, value=identifier)
            if answer.is_success:
                yield f"{answer} as {other.account}; it is {owner.account}'s"


@contextmanager
def _something_own(site: Site, collection: Collection, owner: Session, other: Session) -> Iterator[list[str]]:
    """Identifiers of what is the owner's alone; if there is none, of what is made for as long."""
    own = _own(site, collection, owner, other)
    made = _make(site, collection, owner) if not own and site.create else None
    try:
        yield own if made is None else [each for each in _own(site, collection, owner, other) if each == made]
    finally:
        if made is not None:
            _delete(site, collection, owner, made)


def _own(site: Site, collection: Collection, owner: Session, other: Session) -> list[str]:
    # Asked on both sides: what comes into a list that all share, while this goes on, is nobody's own.
    foreign = collection.ids_in(site.ask(collection.listing, session=other))
    own = collection.ids_in(site.ask(collection.listing, session=owner))
    foreign += collection.ids_in(site.ask(collection.listing, session=other))
    return [each for each in own if each not in foreign][:_MAX_TRIED]


def _make(site: Site, collection: Collection, owner: Session) -> str | None:
    for operation in site.operations:
        allowed = not operation.roles or owner.role in operation.roles
        if (operation.method, operation.path) == ("POST", collection.listing.path) and allowed:
            if operation.body_type not in {JSON, None}:
                return None
            try:
                content = example(site.description, operation.body_schema, invented_name())
            except NoExampleError:
                return None
            answer = site.ask(operation, session=owner, body=json.dumps(content).encode())
            return collection.id_of(answer.json) if answer.is_success else None
    return None


def _delete(site: Site, collection: Collection, owner: Session, identifier: str) -> None:
    for operation in site.operations:
        path, _, variable = operation.path.rpartition("/")
        if operation.method == "DELETE" and path == collection.listing.path and variable.startswith("{"):
            site.ask(operation, session=owner, value=identifier)


def _only_list(content: Any) -> list[Any]:
    lists = [value for value in content.values() if isinstance(value, list)] if isinstance(content, Mapping) else []
    return lists[0] if len(lists) == 1 else []
