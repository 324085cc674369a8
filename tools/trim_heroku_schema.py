"""Cut Heroku's API description down to what the tests' fake answers.

    python -m tools.trim_heroku_schema schema.json tests/test_delivery/schemas/heroku.json

`schema.json` is that of https://github.com/heroku/platform-api (MIT). Kept are the records named
here with all they refer to, without prose; of a record only the links to the addresses that the
delivery and `heroku` itself use. The prmd word `strictProperties` becomes what it stands for: all
of these properties and no other.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

RECORDS = (
    "account add-on add-on-attachment app app-feature build config-var dyno filter-apps formation"
    " pipeline pipeline-coupling pipeline-promotion pipeline-promotion-target release slug source"
).split()
PROSE = frozenset({"description", "example", "title", "stability", "readOnly", "default"})
ORIGIN = {
    "source": "https://github.com/heroku/platform-api schema.json, cut by"
    " tools/trim_heroku_schema.py",
    "license": "MIT",
}


def trimmed(schema: dict[str, Any]) -> dict[str, Any]:
    """The records and, transitively, the definitions their properties and links point to."""
    definitions: dict[str, Any] = schema["definitions"]
    kept: dict[str, Any] = {"definitions": {}}
    for record in RECORDS:
        source = definitions[record]
        whole = {
            name: source[name] for name in ("properties", "required", "type") if name in source
        }
        links = [_link(link) for link in source.get("links", ())]
        target = kept["definitions"].setdefault(record, {})
        target |= {**_plain(whole), "links": links}
    pending = sorted(_references(kept))
    while pending:
        path = pending.pop()
        value = _plain(_at(schema, path))
        value = {name: one for name, one in value.items() if name not in ("links", "$schema")}
        if _put(kept, path, value):
            pending += sorted(_references(_at(kept, path)))
    return {"origin": ORIGIN, **kept}


def _link(link: dict[str, Any]) -> dict[str, Any]:
    """An address with its method, `rel` (which decides the status) and its two schemas."""
    href = re.sub(
        r"\{\(([^)]*)\)\}", lambda found: "{" + _named(found.group(1)) + "}", link["href"]
    )
    short: dict[str, Any] = {"method": link["method"], "href": href, "rel": link["rel"]}
    for name in ("schema", "targetSchema"):
        if name in link:
            short[name] = _plain(link[name])
    return short


def _named(reference: str) -> str:
    return unquote(reference).removeprefix("#/definitions/").split("/", maxsplit=1)[0]


def _plain(node: Any) -> Any:
    """Without prose; a property may be called like prose, so properties are gone into."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain: dict[str, Any] = {}
    for name, value in node.items():
        if name in ("properties", "patternProperties", "definitions"):
            plain[name] = {key: _plain(one) for key, one in value.items()}
        elif name not in PROSE and name != "strictProperties":
            plain[name] = _plain(value) if name not in ("enum", "required") else value
    if node.get("strictProperties") and "properties" in plain:
        plain |= {"additionalProperties": False, "required": sorted(plain["properties"])}
    return plain


def _references(node: Any) -> set[str]:
    if isinstance(node, list):
        return set().union(*map(_references, node)) if node else set()
    if not isinstance(node, dict):
        return set()
    inner = set().union(*map(_references, node.values())) if node else set()
    reference = node.get("$ref")
    return inner | {reference} if isinstance(reference, str) else inner


def _parts(path: str) -> list[str]:
    return path.removeprefix("#/").split("/")


def _at(schema: dict[str, Any], path: str) -> Any:
    """What a path points to; anything at all where it points nowhere, which one of theirs does."""
    node: Any = schema
    for part in _parts(path):
        node = node.get(part, {})
    return node


def _put(kept: dict[str, Any], path: str, value: Any) -> bool:
    """Whether it was not there yet. What is there of a record already may be one definition."""
    node = kept
    *before, last = _parts(path)
    for part in before:
        node = node.setdefault(part, {})
    there = node.get(last)
    if there is None or (path.count("/") == 2 and "type" in value and "type" not in there):
        inner = {**value.get("definitions", {}), **(there or {}).get("definitions", {})}
        node[last] = {**value, "definitions": inner} if inner else value
        return True
    return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("schema", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    cut = trimmed(json.loads(arguments.schema.read_text()))
    arguments.target.write_text(json.dumps(cut, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
