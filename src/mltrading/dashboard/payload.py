"""What is wrong with a callback's request that no browser of ours sends, and that Dash fails on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson


def fault(body: Any, callbacks: Mapping[str, Mapping[str, Any]]) -> str | None:
    """What is wrong with a request, or None: it names a callback of `callbacks` and brings as many
    inputs and states as that one takes, each with the id and property it asked for."""
    if not isinstance(body, dict):
        return "the request is no JSON object"
    output = body.get("output")
    if not isinstance(output, str) or "callback" not in callbacks.get(output, {}):
        return "no callback has that output"
    known = callbacks[output]
    for name in ("inputs", "state"):
        given, wanted = body.get(name, []), known[name]
        if not isinstance(given, list) or len(given) != len(wanted):
            return f"{name} must be a list of {len(wanted)}"
        if not all(_fits(part, spec) for part, spec in zip(given, wanted, strict=True)):
            return f"{name} do not fit this callback"
    changed = body.get("changedPropIds", [])
    if not isinstance(changed, list) or not all(isinstance(name, str) for name in changed):
        return "changedPropIds must be a list of names"
    if not _returnable(body):
        return "the request holds half a character, or a number of more than 64 bits"
    return None if known.get("no_output") else _fault_of_outputs(body.get("outputs"), output)


def _returnable(body: Any) -> bool:
    """Whether an answer could hold it, for callbacks give back much of what they are given. JSON as
    we write it has integers of 64 bits and whole characters."""
    try:
        orjson.dumps(body)
    except orjson.JSONEncodeError:
        return False
    return True


def _fits(part: Any, spec: Mapping[str, Any]) -> bool:
    """Whether a part is what `spec` asked for; a wildcard brings a list of them."""
    if spec["id"].startswith("{"):
        parts = part if isinstance(part, list) else [part]
        return all(
            isinstance(one, dict)
            and isinstance(one.get("id"), dict)
            and one.get("property") == spec["property"]
            for one in parts
        )
    return (
        isinstance(part, dict)
        and part.get("id") == spec["id"]
        and part.get("property") == spec["property"]
    )


def _fault_of_outputs(outputs: Any, output: str) -> str | None:
    several = output.startswith("..")
    parts = outputs if several else [outputs]
    wanted = output.count("...") + 1 if several else 1
    if not isinstance(parts, list) or len(parts) != wanted:
        return f"outputs must be {wanted}"
    flat = [one for part in parts for one in (part if isinstance(part, list) else [part])]
    if not all(isinstance(one, dict) and {"id", "property"} <= one.keys() for one in flat):
        return "every output needs an id and a property"
    return None
