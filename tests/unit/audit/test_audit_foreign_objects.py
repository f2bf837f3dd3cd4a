"""Which lists of a description have objects of accounts, and how an object is named."""

from __future__ import annotations

import json

import pytest

from master.audit.answer import Answer
from master.audit.checks.access.foreign_objects import find_collections
from master.audit.openapi import parse_operations

SECURED = {"security": [{"bearer": []}]}
PATHS = {
    "/things": {"get": SECURED, "post": SECURED},
    "/things/{id}": {"get": SECURED, "delete": SECURED},
    "/things/{id}/parts": {"get": SECURED},
    "/things/{id}/parts/{n}": {"get": SECURED},
    "/thingsothers/{id}": {"get": SECURED},
    "/open": {"get": {}},
    "/open/{id}": {"get": {}},
    "/alone": {"get": SECURED},
    "/users": {"get": SECURED},
    "/users/{name}": {"get": SECURED},
}
THINGS, USERS = find_collections(parse_operations({"paths": PATHS}))


def listed(content: object, status: int = 200) -> Answer:
    return Answer("GET /things", status, {}, json.dumps(content).encode())


def test_lists_with_objects_that_are_read_one_by_one_are_found() -> None:
    """A list needs a token, and reads below it with one variable part."""
    assert (THINGS.listing.path, USERS.listing.path) == ("/things", "/users")
    assert [each.path for each in THINGS.reads] == ["/things/{id}", "/things/{id}/parts"]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ([{"id": "a"}, {"id": 7}], ["a", "7"]),
        ({"things": [{"id": "a"}], "next": None}, ["a"]),
        ({"things": [{"id": "a"}], "others": [{"id": "b"}]}, []),
        ([{"id": True}, {"id": ""}, {"id": "x" * 257}, {"id": ["a"]}, {"name": "a"}, "a", None], []),
        ("no list", []),
    ],
)
def test_the_objects_of_a_list_are_named_by_their_identifiers(content: object, found: list[str]) -> None:
    """A list stands alone, or is the only one of an object; what is no identifier is left out."""
    assert THINGS.ids_in(listed(content)) == found
    assert THINGS.ids_in(listed(content, 403)) == []


def test_an_object_is_named_by_what_its_path_calls_it() -> None:
    """The variable of the path goes before `id`."""
    assert USERS.ids_in(listed([{"id": 1, "name": "ann"}, {"id": 2}])) == ["ann", "2"]
