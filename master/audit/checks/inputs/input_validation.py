"""Input validation: what breaks the description is refused with 4xx, and nothing breaks the target."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

from master.audit.answer import Answer
from master.audit.checks.check import Check, summarize
from master.audit.finding import Finding, Rule, Severity
from master.audit.openapi import JSON, Operation
from master.audit.site import NotApplicableError, Site

_LARGE_BODY_BYTES = 2 * 1024 * 1024
_DEPTH = 2000
_UNAVAILABLE = 503

_BROKEN = Rule(
    "input-validation/server-error",
    "Wrong input makes the target fail",
    Severity.HIGH,
    "Validate the whole input against a schema before it is used; answer 400 or 422.",
    ("CWE-20", "CWE-248", "OWASP ASVS 5.0 2.2.1"),
)
_ACCEPTED = Rule(
    "input-validation/wrong-type-accepted",
    "Input that breaks the description is accepted",
    Severity.MEDIUM,
    "Validate types, bounds and lengths on the server.",
    ("CWE-20", "CWE-1284", "OWASP ASVS 5.0 2.2.1"),
)
_LARGE = Rule(
    "input-validation/unbounded-body",
    "A body of any length is taken",
    Severity.MEDIUM,
    "Bound the length of bodies (413) before they are read.",
    ("CWE-770", "OWASP ASVS 5.0 4.2.1"),
)


class InputValidationCheck(Check):
    """Sends each operation what its description does not allow."""

    id = "input-validation"
    title = "Input validation"
    rules: ClassVar[tuple[Rule, ...]] = (_BROKEN, _ACCEPTED, _LARGE)

    def run(self, site: Site) -> Iterator[Finding]:
        """As Check."""
        site.require_operations()
        answers = [*self._bodies(site), *self._queries(site)]
        if not answers:
            raise NotApplicableError("no operation that can be called takes JSON or a number in its query")
        broken = [(what, answer) for what, answer in answers if is_broken(answer)]
        yield from summarize(_BROKEN, [f"{answer} for {what}" for what, answer in broken])
        accepted = [(what, answer) for what, answer in answers if answer.is_success]
        yield from summarize(_ACCEPTED, [f"{answer} for {what}" for what, answer in accepted])
        yield from self._large_body(site)

    def _bodies(self, site: Site) -> Iterator[tuple[str, Answer]]:
        for operation in site.operations:
            session = site.session_for(operation)
            if operation.body_type == JSON and (session is not None or not operation.secured):
                for what, body in wrong_bodies(operation):
                    yield what, site.ask(operation, session=session, body=body)

    def _queries(self, site: Site) -> Iterator[tuple[str, Answer]]:
        for operation in site.operations:
            session = site.session_for(operation)
            if operation.method != "GET" or (session is None and operation.secured):
                continue
            for parameter in operation.parameters:
                if parameter.place == "query" and parameter.schema.get("type") in {"integer", "number"}:
                    for value in ("not-a-number", "9" * 400):
                        query = urlencode({parameter.name: value})
                        answer = site.ask(operation, session=session, query=query)
                        # A number of 400 digits is a number: to be bounded is for who describes a bound.
                        if value == "not-a-number" or not answer.is_success:
                            yield f"{parameter.name}={value[:20]}", answer

    def _large_body(self, site: Site) -> Iterator[Finding]:
        if site.sign_in is None:
            return
        operation = site.sign_in.operation
        # Blanks before a body that is wrong: whoever reads it all answers as to the short one.
        answer = site.ask(operation, body=b" " * _LARGE_BODY_BYTES + b"[]")
        short = site.ask(operation, body=b"[]")
        if answer.status == short.status and answer.status != 413 and answer.body == short.body:
            yield _LARGE.found(f"{answer} for {_LARGE_BODY_BYTES} bytes, as for 2")


def wrong_bodies(operation: Operation) -> Iterator[tuple[str, bytes]]:
    """Bodies that no description of an object allows, and what each is."""
    if operation.body_schema.get("type", "object") != "object":
        return
    yield "a body that is no JSON", b"{"
    yield "a list in place of an object", b"[1]"
    yield "bytes that are no UTF-8", b'{"\xff\xfe": 1}'
    yield f"lists {_DEPTH} deep", b"[" * _DEPTH + b"]" * _DEPTH
    if fields := operation.properties():
        yield "objects in place of all fields", json.dumps({name: {"a": []} for name in fields}).encode()
        typed = {name: wrong_value(schema) for name, schema in fields.items()}
        if any(value is not None for value in typed.values()):
            yield "fields of other types", json.dumps(typed).encode()


def wrong_value(schema: Any) -> Any:
    """A value of another type than the schema's; None where it allows several or refers to another."""
    kind = schema.get("type") if isinstance(schema, Mapping) else None
    return {"string": -1, "integer": "x", "number": "x", "boolean": "x", "array": 0.5, "object": "x"}.get(str(kind))


def is_broken(answer: Answer) -> bool:
    """Whether the target failed; that it is busy is no failure."""
    return answer.status >= 500 and answer.status != _UNAVAILABLE
