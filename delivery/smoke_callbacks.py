"""Ask the callbacks of a release what a browser would ask, and judge what they answer."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from delivery.smoke_login import CALLBACKS, callback_headers
from delivery.smoke_visit import Visit, Wrong, json_of, short

SYMBOLS_TRIED = 5
NO_DATA = "No market data yet"


def callback(visit: Visit) -> str:
    """Two questions as the browser asks them: the table of symbols, and one symbol's chart."""
    overview = _fire(visit, "overview-drawn.data", "/", "?sort=volume&order=desc")
    codes = list(dict.fromkeys(_analyze_codes(overview.get("overview-drawn"))))
    if not codes:
        return _empty(visit, overview)
    for code in codes[:SYMBOLS_TRIED]:
        answer = _fire(visit, "chart-answer.data", "/charts", f"?symbol={quote(code, safe='')}")
        bars = _bars(answer, code)
        if bars:
            return f"{len(codes)} symbols in the table; the chart of {code} holds {bars} bars"
    tried = ", ".join(codes[:SYMBOLS_TRIED])
    raise Wrong(f"bars in the chart of one of {tried}", "none in any")


def answering(visit: Visit, output: str) -> dict[str, Any]:
    """The server's callback with that output ("id.property")."""
    for one in visit.callbacks:
        if output in str(one["output"]).strip(".").split("..."):
            return one
    raise Wrong(f"a callback that answers {output}", f"{len(visit.callbacks)} others")


def _fire(visit: Visit, output: str, path: str, search: str) -> dict[str, Any]:
    """The answer of a callback to an address, as the browser would ask for it."""
    known = answering(visit, output)
    address = {"path": path, "search": search, "n": 1}
    named = [name.rpartition(".") for name in known["output"].strip(".").split("...")]
    outputs = [{"id": id, "property": prop} for id, _, prop in named]
    values = {"address": address}
    filled = {
        kind: [{**_part(part), "value": values.get(part["id"])} for part in known[kind]]
        for kind in ("inputs", "state")
    }
    question = {
        "output": known["output"],
        "outputs": outputs if known["output"].startswith("..") else outputs[0],
        "changedPropIds": ["address.data"],
        **filled,
    }
    body = json_of(visit.visitor.post(CALLBACKS, question, callback_headers(visit)))
    answer = body.get("response") if isinstance(body, dict) else None
    if not isinstance(answer, dict) or output.rpartition(".")[0] not in answer:
        raise Wrong(f"{output} in the answer of its callback", short(body))
    return answer


def _part(part: dict[str, Any]) -> dict[str, Any]:
    return {"id": part["id"], "property": part["property"]}


def _analyze_codes(tree: Any) -> Iterable[str]:
    """The symbols of the table, from the ids of their Analyze links."""
    if isinstance(tree, list):
        for part in tree:
            yield from _analyze_codes(part)
    elif isinstance(tree, dict):
        for value in tree.values():
            yield from _analyze_codes(value)
    elif isinstance(tree, str) and '"type":"analyze"' in tree:
        yield json.loads(tree)["symbol"]


def _bars(answer: dict[str, Any], code: str) -> int:
    """How many bars the chart's figure holds; Wrong where it is another symbol's."""
    try:
        figure = answer["chart-answer"]["data"]["figure"]
        shown, traces = figure["layout"]["meta"]["symbol"], figure["data"]
        counts = [len(t["close"]) for t in traces if t.get("type") == "candlestick"]
    except (KeyError, TypeError):
        raise Wrong(f"a figure in the answer for {code}", short(answer)) from None
    if counts and shown != code:
        raise Wrong(f"the chart of {code}", f"that of {short(shown)}")
    return max(counts, default=0)


def _empty(visit: Visit, overview: dict[str, Any]) -> str:
    """A database without a symbol is a valid state, with pages of its own."""
    if NO_DATA not in str(overview.get("overview-state")):
        raise Wrong(f"symbols, or '{NO_DATA}'", short(overview.get("overview-state")))
    answer = _fire(visit, "chart-answer.data", "/charts", "")
    said = (answer.get("chart-message") or {}).get("children")
    if not said:
        raise Wrong("a message in place of a chart", short(answer))
    return "no symbol is stored: the pages for an empty database are shown"
