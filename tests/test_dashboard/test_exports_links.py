"""Who may export sees a button for each file; who sees what was shared is told whom to ask."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from mltrading.dashboard import exports, routing
from mltrading.dashboard.pages import charts, compare, overview
from mltrading.domain.access import Actor, Role
from mltrading.domain.bars import Bars
from mltrading.domain.view import ChartView, CompareView, OverviewQuery
from mltrading.errors import NothingShared
from mltrading.services.market import Chart, Comparison, Overview
from tests.callback_client import Answer, CallbackClient
from tests.test_dashboard.charts_made import SYMBOL, make_chart
from tests.test_dashboard.comparisons_made import make_comparison
from tests.test_dashboard.frame_made import make_client, make_overview, make_row

ASKING: tuple[ModuleType, ...] = (exports, routing, charts, compare, overview)
EVIL = '"><img src=x>&a=b#c'
BUTTONS = {
    "/": ("overview-csv.href", "?q=a&sector=Energy&page=2"),
    "/charts": ("chart-csv.href", "?symbol=AAPL&range=5Y&indicators=sma:20,rsi:14&nonsense=1"),
    "/compare": ("compare-csv.href", "?symbols=AAPL,IBM&mode=price&range=YTD"),
}


class Market:
    """Has something of everything, or nothing that may be seen."""

    def __init__(self, code: str = "AAPL") -> None:
        self.code = code
        self.bars: Bars | None = None
        self.shared = True

    def chart(self, actor: Actor, view: ChartView) -> Chart:
        if not self.shared:
            raise NothingShared("no symbol is shared with you yet", "ask an administrator")
        symbol = replace(SYMBOL, code=self.code)
        shown = replace(view, symbol=self.code)
        return make_chart(query=shown.to_query(), symbol=symbol, bars=self.bars)

    def overview(self, actor: Actor, query: OverviewQuery) -> Overview:
        if not self.shared:
            notes = ["No symbol is shared with you yet; ask an administrator."]
            return make_overview(query=query, notes=notes)
        return make_overview(make_row(self.code), query=query, pages=3)

    def compare(self, actor: Actor, view: CompareView) -> Comparison:
        if not self.shared:
            raise NothingShared("no symbol is shared with you yet", "ask an administrator")
        return make_comparison(*view.symbols, query=view.to_query())


@pytest.fixture
def market() -> Market:
    return Market()


@pytest.fixture
def client(market: Market) -> CallbackClient:
    return make_client(market)


def signed_in(monkeypatch: pytest.MonkeyPatch, role: Role) -> None:
    actor = Actor("somebody", role.permissions)
    for module in ASKING:
        monkeypatch.setattr(module, "current_actor", lambda: actor)


def shown(client: CallbackClient, path: str, search: str | None = None) -> Answer:
    output, usual = BUTTONS[path]
    address = {"path": path, "search": usual if search is None else search, "n": 1}
    return client.fire(output, "address.data", **{"address.data": address})


def hrefs(answer: Answer) -> list[str]:
    """The addresses of files, wherever they are in an answer."""
    return sorted(text for text in _texts(answer.props) if text.startswith("/export/"))


def _texts(tree: Any) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    for part in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _texts(part)


HREFS = {
    "/": ["/export/overview.csv?q=a&sector=Energy"],
    "/charts": ["/export/chart.csv?symbol=AAPL&range=5Y&indicators=sma:20,rsi:14"],
    "/compare": [
        "/export/compare-metrics.csv?symbols=AAPL,IBM&range=YTD&mode=price",
        "/export/compare.csv?symbols=AAPL,IBM&range=YTD&mode=price",
    ],
}


@pytest.mark.parametrize("path", BUTTONS)
@pytest.mark.parametrize("role", [Role.ANALYST, Role.ADMIN])
def test_the_button_names_the_view_on_screen(
    client: CallbackClient, monkeypatch: pytest.MonkeyPatch, path: str, role: Role
) -> None:
    signed_in(monkeypatch, role)
    assert hrefs(shown(client, path)) == HREFS[path]


@pytest.mark.parametrize("path", BUTTONS)
def test_a_viewer_sees_no_button(
    client: CallbackClient, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    signed_in(monkeypatch, Role.VIEWER)
    assert "/export/" not in shown(client, path).text


def test_there_is_no_button_where_there_is_nothing_to_take(
    client: CallbackClient, market: Market
) -> None:
    market.bars = Bars.empty()
    assert hrefs(shown(client, "/charts")) == []
    market.shared = False
    assert hrefs(shown(client, "/charts")) == hrefs(shown(client, "/")) == []
    assert hrefs(shown(client, "/compare")) == hrefs(shown(client, "/compare", "")) == []


def test_a_code_stays_inside_its_field_of_the_address(
    client: CallbackClient, market: Market
) -> None:
    market.code = EVIL
    [href] = hrefs(shown(client, "/charts"))
    assert href.startswith("/export/chart.csv?symbol=%22%3E%3Cimg%20src%3Dx")
    assert not set('"<>#') & set(href) and href.count("&") == 2
    assert ChartView.parse(href.partition("?")[2])[0].symbol == EVIL


def test_a_viewer_of_nothing_is_told_whom_to_ask_and_not_to_import(
    client: CallbackClient, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in(monkeypatch, Role.VIEWER)
    market.shared = False
    for path, search in (("/", ""), ("/charts", ""), ("/compare", "?symbols=A"), ("/compare", "")):
        said = shown(client, path, search).text
        assert "dministrator" in said, path
        assert "mltrading import" not in said, path
    for path in ("/", "/charts"):
        assert "No symbol is shared with you yet" in shown(client, path, "").text


def test_a_viewer_of_a_symbol_without_bars_is_not_told_to_import_either(
    client: CallbackClient, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in(monkeypatch, Role.VIEWER)
    market.bars = Bars.empty()
    said = json.dumps(shown(client, "/charts")["chart-message.children"])
    assert "AAPL has no bars yet" in said and "administrator" in said and "import FILE" not in said
