"""The description of a target is read as far as it makes sense, whatever else is in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.audit.answer import Answer
from master.audit.openapi import MAX_OPERATIONS, Operation, parse_operations
from master.audit.sign_in import find_sign_in, find_sign_out, read_session

DESCRIPTION: dict[str, Any] = {
    "paths": {
        "/login": {
            "post": {
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Login"}}}}
            }
        },
        "/logout": {"post": {"security": [{"token": []}]}},
        "/things/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {"security": [{"token": []}], "x-roles": ["admin"]},
            "delete": {"security": [{}, {"token": []}]},
        },
        "/list": {"get": {"parameters": [{"name": "q", "in": "query", "schema": {"type": "string"}}]}},
    },
    "components": {"schemas": {"Login": {"type": "object", "properties": {"email": {}, "password": {}}}}},
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["paths", "/a", "get", "post", "parameters", "$ref", "schema", "content", "security", "in", "name"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


def operation(name: str) -> Operation:
    return next(each for each in parse_operations(DESCRIPTION) if each.name == name)


def test_operations_are_found_with_what_they_ask_for() -> None:
    """Roles, security and parameters of each operation are read; security that may be left out is none."""
    thing = operation("GET /things/{id}")
    assert (thing.secured, thing.roles, thing.is_plain_read) == (True, ("admin",), False)
    assert [parameter.name for parameter in thing.parameters] == ["id"]
    assert not operation("DELETE /things/{id}").secured
    assert operation("GET /list").is_plain_read
    assert operation("GET /list").parameters[0].takes_text


def test_a_value_in_a_path_is_encoded() -> None:
    """A value stays one segment of the path."""
    assert operation("GET /things/{id}").path_with("a/b?c'") == "/things/a%2Fb%3Fc%27"


def test_signing_in_and_out_is_found_by_its_usual_names() -> None:
    """The operation with a name and a password signs in, whatever they are called."""
    found = find_sign_in(parse_operations(DESCRIPTION))
    assert found is not None
    assert (found.name_field, found.password_field) == ("email", "password")
    assert found.body("a", "b") == b'{"email": "a", "password": "b"}'
    out = find_sign_out(parse_operations(DESCRIPTION))
    assert out is not None
    assert out.name == "POST /logout"
    assert find_sign_in([]) is None


def test_a_session_is_read_from_an_answer_that_has_a_token() -> None:
    """Without a token, or with an error, there is no session."""
    good = Answer("POST /login", 200, {}, b'{"access_token": "t", "refresh_token": "r"}')
    session = read_session("user", "a", good)
    assert session is not None
    assert (session.token, session.refresh_token) == ("t", "r")
    assert read_session("user", "a", Answer("", 200, {}, b"[]")) is None
    assert read_session("user", "a", Answer("", 401, {}, good.body)) is None


def test_references_in_a_circle_end() -> None:
    """A schema that refers to itself is an empty one."""
    content = {"application/json": {"schema": {"$ref": "#/components/a"}}}
    description = {
        "paths": {"/a": {"post": {"requestBody": {"content": content}}}},
        "components": {"a": {"$ref": "#/components/a"}},
    }
    assert parse_operations(description)[0].properties() == {}


def test_the_number_of_operations_is_bounded() -> None:
    """A description without end does not make an audit without end."""
    assert len(parse_operations({"paths": {f"/{number}": {"get": {}} for number in range(2000)}})) == MAX_OPERATIONS


@given(json_values)
def test_what_is_no_description_has_no_operation_that_breaks(value: Any) -> None:
    """Any JSON can be read."""
    for each in parse_operations(value):
        each.path_with("x")
        each.properties()


def test_halves_of_surrogate_pairs_are_no_text() -> None:
    """A description can have them as escapes; what is made of it can still be sent and written. Whole pairs, and escaped backslashes, stay."""
    body = rb'{"paths": {"/\ud800": {"get": {}}, "/\ud83d\ude00": {"get": {}}, "/\\ud800": {"get": {}}, "/\udfff\ud800": {"get": {}}}}'
    operations = parse_operations(Answer("GET /", 200, {}, body).json)
    assert [each.path for each in operations] == [
        "/\N{REPLACEMENT CHARACTER}",
        "/\N{GRINNING FACE}",
        "/\\ud800",
        "/" + 2 * "\N{REPLACEMENT CHARACTER}",
    ]
    assert operations[0].path_with("") == "/%EF%BF%BD"


@pytest.mark.parametrize("token", ["a\r\nX-Other: 1", "日本", "a b", "", "x" * 100_000])
def test_a_token_that_no_header_can_carry_is_none(token: str) -> None:
    """The target chooses the token, and the audit sends it back in a header."""
    answer = Answer("POST /login", 200, {}, json.dumps({"token": token, "refresh_token": token}).encode())
    assert read_session("user", "ann", answer) is None
