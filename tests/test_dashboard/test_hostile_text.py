"""Codes, names, groups and addresses from outside are text in every answer of every page, and a
link made of them leads where it says: the real service, over HTTP, on names that try everything."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from mltrading.domain.bars import Interval
from tests.callback_client import Answer, CallbackClient
from tests.memory import MemoryMarket
from tests.test_dashboard.frame_made import make_client
from tests.test_services.markets import daily, service

CODES = (
    "<img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "//evil.example/a",
    "/\\evil.example",
    '"><svg onload=alert(1)>',
    "A&symbol=B#c?d",
    "%2f%2fevil.example",
    "{{7*7}}${7*7}`id`",
    "=1+1;-1",
    "'; nearest known: 'EVIL",
)
MARKUP = "<b onmouseover=alert(2)>'\"&amp;</b>"
PLAIN_HREF = re.compile(r"/(?![/\\])[A-Za-z0-9/._-]*(\?[A-Za-z0-9%=&,:._~+-]*)?|#[a-z-]+")
PAGES = {
    "/": "overview-state.children",
    "/charts": "chart-answer.data",
    "/compare": "compare-chart.figure",
}


@pytest.fixture(scope="module")
def client() -> CallbackClient:
    market = MemoryMarket()
    for number, code in enumerate(CODES):
        fields = {"name": f"{MARKUP}{number}", "sector": f"{MARKUP}s", "industry": code}
        bars = daily("2024-01-02", "2024-07-04", seed=number)
        market.add(code, Interval.D1, bars, exchange=MARKUP, currency=MARKUP, **fields)
    return make_client(service(market))


def shown(client: CallbackClient, path: str, search: str) -> Answer:
    address = {"path": path, "search": search, "n": 1}
    answer = client.fire(PAGES[path], "address.data", **{"address.data": address})
    assert answer.status == 200, answer.text
    return answer


def answers(client: CallbackClient) -> Iterator[Answer]:
    """What every page says to every code, known and almost known."""
    yield shown(client, "/", "")
    for code in CODES:
        for asked in (code, f"{code}x"[:32]):
            text = quote(asked, safe="")
            yield shown(client, "/charts", f"?symbol={text}&indicators=sma:20")
            yield shown(client, "/compare", f"?symbols={text},{quote(CODES[0])}")
            yield shown(client, "/", f"?q={text}&sector={quote(MARKUP)}s")
            yield client.fire(
                "search-found.data",
                "search-enter.data",
                **{"search-enter.data": {"text": asked, "n": 1}},
            )
            yield client.fire(
                "symbol-options.children",
                "search-text.data",
                **{"search-text.data": {"text": asked, "n": 1}},
            )


def named(tree: Any, *names: str) -> Iterator[tuple[str, Any]]:
    """Every (name, value) in a tree of JSON with one of the names; of markup and components."""
    if isinstance(tree, dict):
        for name, value in tree.items():
            if name in names:
                yield name, value
            yield from named(value, *names)
    elif isinstance(tree, list):
        for part in tree:
            yield from named(part, *names)


def test_every_link_is_a_path_of_this_site(client: CallbackClient) -> None:
    hrefs = set()
    for answer in answers(client):
        found = named([answer.props, answer.side], "href", "src")
        hrefs |= {href for _, href in found if href is not None}
    assert all(PLAIN_HREF.fullmatch(href) for href in hrefs), hrefs
    led = {parse_qs(urlsplit(href).query).get("symbol", [""])[0] for href in hrefs}
    assert led >= set(CODES)


def test_no_figure_holds_markup(client: CallbackClient) -> None:
    """Plotly reads a subset of HTML in every text of a figure but those it hands back as data."""
    for answer in answers(client):
        for _, figure in named(answer.props, "figure"):
            for trace in figure.get("data", []):
                trace.pop("customdata", None)
            figure.get("layout", {}).pop("meta", None)
            assert not re.search(r"<(?!/?extra>)", json.dumps(figure))


def test_nothing_but_text_and_addresses_takes_a_name(client: CallbackClient) -> None:
    """No style, class or event handler is made of what came from outside."""
    for answer in answers(client):
        props = [answer.props, answer.side]
        for _, value in named(props, "style", "className", "class", "role", "type", "target"):
            assert "alert(" not in json.dumps(value) and "evil" not in json.dumps(value)
        names = {name for name, _ in named(props, "dangerously_allow_html", "srcDoc", "onclick")}
        assert not names


def test_a_filter_is_the_text_of_its_group(client: CallbackClient) -> None:
    answer = shown(client, "/", f"?sector={quote(MARKUP)}s")
    drawn = answer["overview-drawn.data"]
    assert {value for _, value in named(drawn, "data-name")} == {f"{MARKUP}s", *CODES}
    for _, patch in named(answer.props, "data-patch"):
        assert isinstance(json.loads(patch), dict)


def test_a_code_that_looks_like_advice_makes_none(client: CallbackClient) -> None:
    """The nearest symbol is told apart from the words of a refusal, which repeat what was asked."""
    answer = shown(client, "/charts", f"?symbol={quote(CODES[-1])}x")
    hrefs = [value for _, value in named(answer["chart-message.children"], "href")]
    assert hrefs == [f"/charts?symbol={quote(CODES[-1], safe='')}"]


def test_what_is_not_found_is_said_as_text(client: CallbackClient) -> None:
    answer = client.fire(
        "search-found.data",
        "search-enter.data",
        **{"search-enter.data": {"text": "<img src=y>", "n": 1}},
    )
    said = [value for _, value in named(answer.side["toast"], "children")]
    assert "No symbol or name contains “<img src=y>”" in said
