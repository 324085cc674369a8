"""GitHub's own description of its API (a cut of it): judge replies and requests, make documents."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from jsonschema import Draft4Validator, FormatChecker

DESCRIPTION: dict[str, Any] = json.loads(
    (Path(__file__).parent / "schemas/github.json").read_text(encoding="utf-8")
)
# The description still wants the deprecated `contexts` beside the `checks` that replace it; GitHub
# takes the one or the other.
LEFT_OUT = "'contexts' is a required property"
WHEN = "2026-11-02T10:00:00Z"
FORMATS = FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ValueError)
def _is_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@cache
def _validator(where: str) -> Draft4Validator:
    part: Any = DESCRIPTION
    for step in where.split("\n"):
        part = part[step]
    return Draft4Validator({**part, "schemas": DESCRIPTION["schemas"]}, format_checker=FORMATS)


def faults(instance: Any, *where: str) -> Iterator[str]:
    """What is wrong with a document by the schema at that place of the description."""
    for error in _validator("\n".join(where)).iter_errors(instance):
        place = "/".join(map(str, error.absolute_path))
        yield f"{where[-4:]} {place or '(whole)'}: {error.message[:200]}"


def operation(method: str, path: str) -> tuple[str, dict[str, Any]] | None:
    """The template of a path and its operation, the one with the fewest parameters first."""
    for template in sorted(DESCRIPTION["paths"], key=lambda each: each.count("{")):
        pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path):
            found = DESCRIPTION["paths"][template].get(method.lower())
            if found is not None:
                return template, found
    return None


def request_faults(method: str, path: str, query: str, body: Any) -> list[str]:
    """What is wrong with a request: unknown operation or parameter, a body that does not fit."""
    known = operation(method, path)
    if known is None:
        return [f"GitHub has no {method} {path} (or the cut leaves it out)"]
    template, described = known
    allowed = {each["name"]: each["schema"] for each in described["parameters"]}
    found = []
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in allowed:
            found.append(f"{method} {template} has no parameter {name!r}")
        elif value not in allowed[name].get("enum", [value]):
            found.append(f"{method} {template} knows no {name}={value}")
    schema = described["request"]
    if body is None:
        return found
    if schema is None:
        return [*found, f"{method} {template} takes no body"]
    judged = faults(body, "paths", template, method.lower(), "request")
    found += [fault for fault in judged if LEFT_OUT not in fault]
    while "$ref" in schema:
        schema = DESCRIPTION["schemas"][schema["$ref"].rpartition("/")[2]]
    extra = set(body) - set(schema.get("properties", body))
    return found + [f"{method} {template} takes no {name!r}" for name in sorted(extra)]


def reply_faults(method: str, path: str, status: int, body: Any) -> list[str]:
    """What is wrong with an answer; errors have GitHub's one shape."""
    known = operation(method, path)
    if known is None or status >= 400:
        return []
    template, described = known
    if str(status) not in described["responses"]:
        return [f"{method} {template} never answers {status}"]
    if described["responses"][str(status)] is None:
        return [] if body is None else [f"{method} {template} answers {status} without a body"]
    where = ("paths", template, method.lower(), "responses", str(status))
    return list(faults(body, *where))


def make(schema: str, /, **values: Any) -> dict[str, Any]:
    """A document of that schema: the required fields made up, and those given."""
    made = _made({**DESCRIPTION["schemas"][schema], "type": "object"})
    assert isinstance(made, dict)
    return {**made, **values}


def _made(schema: dict[str, Any]) -> Any:
    if "$ref" in schema:
        return _made(DESCRIPTION["schemas"][schema["$ref"].rpartition("/")[2]])
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type")
    if isinstance(kind, list):
        return None
    if kind == "object" or "properties" in schema:
        needed = schema.get("required", ())
        return {each: _made(schema["properties"][each]) for each in needed}
    for combined in ("allOf", "oneOf", "anyOf"):
        if combined in schema:
            return _made(schema[combined][-1 if combined == "anyOf" else 0])
    return _PLAIN.get(kind or "", lambda _: None)(schema)


_PLAIN = {
    "string": lambda schema: WHEN if schema.get("format") == "date-time" else "https://x.example/",
    "integer": lambda _: 1,
    "number": lambda _: 1,
    "boolean": lambda _: False,
    "array": lambda _: [],
}
