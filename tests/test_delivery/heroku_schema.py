"""Judge requests and replies by Heroku's own API description, cut to what is used here."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator, FormatChecker

SCHEMA: dict[str, Any] = json.loads((Path(__file__).parent / "schemas" / "heroku.json").read_text())
STATUS = {"create": 201, "empty": 202}  # by `rel`, as Heroku's documentation is made; else 200


@dataclass(frozen=True)
class Link:
    """One address of the API; `pattern` matches its path."""

    method: str
    pattern: re.Pattern[str]
    rel: str
    request: str
    reply: str

    @property
    def status(self) -> int:
        return STATUS.get(self.rel, 200)


@cache
def links() -> tuple[Link, ...]:
    return tuple(
        Link(
            link["method"],
            re.compile(re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(link["href"])) + "$"),
            link["rel"],
            json.dumps(link.get("schema")),
            json.dumps(link.get("targetSchema")),
        )
        for record in SCHEMA["definitions"].values()
        for link in record.get("links", ())
    )


def found(method: str, path: str) -> list[Link]:
    """The addresses a request fits; a rollback and a new release share one."""
    return [link for link in links() if link.method == method and link.pattern.match(path)]


def request_problems(candidates: list[Link], body: object) -> list[str]:
    """Why the body fits none of the addresses; empty where it fits one."""
    found_problems: list[str] = []
    for link in candidates:
        schema = json.loads(link.request)
        problems = [] if schema is None else _problems(schema, {} if body is None else body)
        if not problems:
            return []
        found_problems += problems
    return found_problems


def reply_problems(link: Link, body: object) -> list[str]:
    """What the description does not allow, and every name it does not know."""
    schema = json.loads(link.reply)
    if schema is None:
        return []
    records = body if isinstance(body, list) else [body]
    known = _known_names(schema)
    unknown = sorted({name for one in records if known and isinstance(one, dict) for name in one})
    return _problems(schema, body) + [
        f"unknown name {name}" for name in unknown if name not in known
    ]


def _problems(schema: dict[str, Any], body: object) -> list[str]:
    return [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message}"[:300]
        for error in _validator(json.dumps(schema)).iter_errors(body)
    ]


@cache
def _validator(schema: str) -> Draft4Validator:
    whole = {"definitions": SCHEMA["definitions"], "allOf": [json.loads(schema)]}
    return Draft4Validator(whole, format_checker=FormatChecker())


def _known_names(schema: dict[str, Any]) -> frozenset[str]:
    target = schema.get("items", schema)
    reference = target.get("$ref", "")
    if reference.count("/") != 2:
        return frozenset()
    return frozenset(SCHEMA["definitions"][reference.rsplit("/", 1)[1]].get("properties", ()))
