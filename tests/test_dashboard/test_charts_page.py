"""The Charts page over HTTP, on a market that only this test knows."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from mltrading.domain.access import Actor
from mltrading.domain.bars import Bars, Interval, Symbol
from mltrading.domain.indicators import MAX_INDICATORS, REGISTRY
from mltrading.domain.view import ChartView, Range
from mltrading.errors import UnknownSymbol
from mltrading.services.market import Chart, Quote
from tests.callback_client import Answer, CallbackClient
from tests.factories import moment
from tests.test_dashboard.charts_made import SYMBOL, make_chart
from tests.test_dashboard.frame_made import make_client

FIGURE = "chart-answer.data"
HOSTILE = "<img src=x onerror=alert(1)>"


@dataclass
class KnownMarket:
    """Knows AAPL, IBM and a symbol with a hostile code; keeps the views it was asked for."""

    asked: list[ChartView] = field(default_factory=list)
    made: dict[str, Any] = field(default_factory=dict)

    def chart(self, actor: Actor, view: ChartView) -> Chart:
        self.asked.append(view)
        code = view.symbol or "AAPL"
        if code not in ("AAPL", "IBM", HOSTILE):
            raise UnknownSymbol(f"unknown symbol '{code}'", "nearest known: 'AAPL'", "AAPL")
        symbol = replace(SYMBOL, code=code, name=f"Name of {code}")
        return make_chart(**{"query": view.to_query(), "symbol": symbol} | self.made)

    def find(self, actor: Actor, text: str, limit: int = 20) -> list[Symbol]:
        return [SYMBOL]


@pytest.fixture
def market() -> KnownMarket:
    return KnownMarket()


@pytest.fixture
def client(market: KnownMarket) -> CallbackClient:
    return make_client(market)


def shown(client: CallbackClient, search: str = "?symbol=AAPL", path: str = "/charts") -> Answer:
    address = {"path": path, "search": search, "n": 7}
    return client.fire(FIGURE, "address.data", **{"address.data": address})


def words(component: Any) -> str:
    """All the text of a component tree, in order."""
    if isinstance(component, list):
        return " ".join(filter(None, map(words, component)))
    if isinstance(component, dict):
        return words(component.get("props", {}).get("children"))
    return "" if component is None else str(component)


def components(tree: Any) -> list[dict[str, Any]]:
    """Every component of a tree, as its properties."""
    if isinstance(tree, list):
        return [found for part in tree for found in components(part)]
    if not isinstance(tree, dict):
        return []
    return [tree["props"], *components(tree["props"].get("children"))]


def pressed(answer: Answer, output: str) -> list[str]:
    buttons = components(answer[output])
    return [b["children"] for b in buttons if b.get("aria-pressed") == "true"]


def test_answer_carries_the_figure_and_the_question_it_answers(client) -> None:
    answer = shown(client)[FIGURE]
    assert answer["n"] == 7
    assert answer["figure"]["data"][0]["type"] == "candlestick"
    assert answer["figure"]["layout"]["meta"]["symbol"] == "AAPL"


@pytest.mark.parametrize("address", [None, "x", [], {}, {"path": 3}, {"path": "/"}])
def test_other_addresses_are_not_answered(client, market, address) -> None:
    answer = client.fire(FIGURE, "address.data", **{"address.data": address})
    assert answer.unchanged and not market.asked


@pytest.mark.parametrize(
    "search", [None, 5, "?symbol=AAPL&range=nonsense&start=99", "?" + "x" * 9000]
)
def test_a_bad_query_still_shows_a_chart(client, search) -> None:
    address = {"path": "/charts", "search": search}
    answer = client.fire(FIGURE, "address.data", **{"address.data": address})
    assert answer.status == 200 and answer[FIGURE]["figure"]["data"]


def test_problems_of_the_address_are_said(client) -> None:
    said = words(shown(client, "?symbol=AAPL&interval=7x")["chart-note.children"])
    assert "interval='7x' ignored" in said


def test_header_names_the_symbol_and_its_newest_change(client) -> None:
    said = words(shown(client)["chart-head.children"])
    for part in ("AAPL", "Name of AAPL", "NASDAQ - Technology", "183.42", "+1.86", "(+1.02%)"):
        assert part in said


@pytest.mark.parametrize(("change", "look"), [(1.0, "up"), (-1.0, "down"), (0.0, "muted")])
def test_change_is_coloured_and_signed(market, client, change, look) -> None:
    market.made = {"quote": Quote(100.0, change, change, 0)}
    marked = [
        c
        for c in components(shown(client)["chart-head.children"])
        if c.get("title", "").startswith("Close of")
    ]
    assert [c["className"] for c in marked] == [look]
    assert ("−1.00" in words(marked[0]["children"])) == (change < 0)


def test_first_session_has_no_change(market, client) -> None:
    market.made = {"quote": Quote(100.0, float("nan"), float("nan"), 0)}
    said = words(shown(client)["chart-head.children"])
    assert "100.00" in said and "nan" not in said.lower() and "no change" in said


def test_note_says_interval_bars_and_trust(market, client) -> None:
    said = words(shown(client, "?symbol=AAPL")["chart-note.children"])
    for part in (
        "1d, auto",
        "300 bars",
        "adjusted",
        "newest 2023-02-24",
        "no gaps",
        "source: test",
    ):
        assert part in said
    assert "stale" not in said


def test_the_last_price_is_as_traded_and_the_note_says_what_the_others_are(market, client) -> None:
    answer = shown(client)
    head = words(answer["chart-head.children"])
    assert "183.42" in head and "USD" in head and "adjusted" not in head
    titles = [c.get("title") for c in components(answer["chart-note.children"])]
    assert (
        "Prices before 2023-02-24 are adjusted for splits and dividends; that close is as traded"
        in titles
    )
    market.made = {"trust": replace(make_chart().trust, adjusted=False)}
    unadjusted = components(shown(client)["chart-note.children"])
    assert not any("adjusted" in (c.get("title") or "") for c in unadjusted)


def test_note_says_what_is_wrong_with_the_data(market, client) -> None:
    trust = replace(
        make_chart().trust,
        adjusted=False,
        stale_sessions=3300,
        stale_text="13 y",
        missing_sessions=2,
        has_volume=False,
        notice="public domain",
        broken=moment("2013-03-04"),
    )
    market.made = {"trust": trust, "notes": ["Shown as 1d: a reason."]}
    said = words(shown(client)["chart-note.children"])
    for part in (
        "as traded",
        "stale: 13 y",
        "2 sessions missing",
        "no volume",
        "(public domain)",
        "another base before 2013-03-04",
    ):
        assert part in said
    assert "Shown as 1d: a reason." in said


def test_intraday_note_names_the_clock(market, client) -> None:
    market.made = {"interval": Interval.M15}
    assert "America/New York time" in words(shown(client)["chart-note.children"])


def test_unknown_calendar_is_said_not_hidden(market, client) -> None:
    market.made = {"trust": replace(make_chart().trust, missing_sessions=None, stale_sessions=None)}
    assert "gaps unknown" in words(shown(client)["chart-note.children"])


def test_simulated_symbol_is_marked_in_the_header(market, client) -> None:
    assert "Simulated" not in words(shown(client)["chart-head.children"])
    market.made = {"symbol": replace(SYMBOL, simulated=True)}
    assert "Simulated" in words(shown(client)["chart-head.children"])


def test_unknown_symbol_offers_the_nearest(client) -> None:
    answer = shown(client, "?symbol=APPL")
    message = answer["chart-message.children"]
    assert "Unknown symbol 'APPL'" in words(message)
    links = [c["href"] for c in components(message) if "href" in c]
    assert links == ["/charts?symbol=AAPL"]
    assert answer[FIGURE]["figure"]["data"] == []


def test_empty_database_names_the_command(market, client) -> None:
    def nothing(actor: Actor, view: ChartView) -> Chart:
        raise UnknownSymbol("no symbol is stored yet; import bars with `mltrading import FILE`")

    market.chart = nothing  # type: ignore[method-assign]
    assert "mltrading import FILE" in words(shown(client, "")["chart-message.children"])


def test_symbol_without_bars_says_so_with_the_command(market, client) -> None:
    odd = replace(SYMBOL, code="A; rm -r <b>")
    market.made = {"bars": Bars.empty(), "available": (), "symbol": odd}
    answer = shown(client)
    said = words(answer["chart-message.children"])
    assert "A; rm -r <b> has no bars yet" in said
    assert "mltrading import FILE --symbol 'A; rm -r <b>'" in said
    assert answer[FIGURE]["figure"]["data"] == []
    assert answer[FIGURE]["figure"]["layout"]["meta"] == {"symbol": odd.code, "ts": []}


def test_a_notice_does_not_say_the_source_twice(market, client) -> None:
    trust = replace(make_chart().trust, source="simulated", notice="simulated: invented prices")
    market.made = {"trust": trust}
    assert "source: simulated (invented prices)" in words(shown(client)["chart-note.children"])


def test_without_symbol_the_last_one_seen_is_shown(client, market) -> None:
    shown(client, "")
    assert market.asked[-1].symbol is None
    client.http.set_cookie("symbol", "IBM")
    assert shown(client, "?range=3M")[FIGURE]["figure"]["layout"]["meta"]["symbol"] == "IBM"
    assert market.asked[-1].range is Range.MO3


@pytest.mark.parametrize("cookie", ["GONE", "a,b", "%00", "%20x", "x" * 500])
def test_a_bad_last_symbol_is_passed_over(client, market, cookie) -> None:
    client.http.set_cookie("symbol", cookie)
    assert shown(client, "")[FIGURE]["figure"]["layout"]["meta"]["symbol"] == "AAPL"


def test_an_unknown_symbol_is_not_replaced_by_the_last_one(client) -> None:
    client.http.set_cookie("symbol", "IBM")
    assert shown(client, "?symbol=APPL")[FIGURE]["figure"]["data"] == []


def test_controls_show_the_state_of_the_address(client) -> None:
    query = "?symbol=AAPL&interval=1w&range=5Y&type=ohlc&scale=log"
    answer = shown(client, query)
    assert pressed(answer, "interval-picker.children") == ["1w"]
    assert pressed(answer, "chart-type.children") == ["ohlc"]
    assert pressed(answer, "scale-picker.children") == ["log"]
    assert pressed(answer, "range-buttons.children") == ["5Y"]


def test_defaults_are_pressed_without_a_query(client) -> None:
    answer = shown(client)
    assert pressed(answer, "interval-picker.children") == ["auto"]
    assert pressed(answer, "range-buttons.children") == ["1Y"]
    zoomed = shown(client, "?symbol=AAPL&start=2022-03-01&end=2022-06-01")
    assert pressed(zoomed, "range-buttons.children") == []


def test_interval_shown_by_choice_of_the_service_is_marked(client) -> None:
    buttons = components(shown(client)["interval-picker.children"])
    assert [b["children"] for b in buttons if "is-shown" in b["className"]] == ["1d"]


def test_intervals_that_are_not_stored_can_not_be_pressed(client) -> None:
    buttons = components(shown(client)["interval-picker.children"])
    enabled = [b["children"] for b in buttons if not b["disabled"]]
    assert enabled == ["auto", "1h", "1d", "1w", "1mo"]


def test_every_button_of_the_controls_names_the_change_it_makes(client) -> None:
    answer = shown(client)
    for output in ("interval-picker", "chart-type", "scale-picker", "range-buttons"):
        for button in components(answer[f"{output}.children"]):
            assert json.loads(button["data-patch"])
    patches = [json.loads(b["data-patch"]) for b in components(answer["range-buttons.children"])]
    assert patches[0] == {"range": "1D", "start": None, "end": None}


def test_every_registered_indicator_can_be_added(client) -> None:
    choices = components(shown(client)["indicator-choices.children"])
    offered = [c["data-add"] for c in choices if "data-add" in c]
    assert offered == [str(entry.default()) for entry in REGISTRY.values()]


def test_active_indicators_have_checked_parameters_and_a_remove_button(client) -> None:
    answer = shown(client, "?symbol=AAPL&indicators=sma:20,macd:12:26:9")
    choices = components(answer["indicator-choices.children"])
    rows = [c for c in choices if c.get("className") == "indicator-row"]
    assert [row["data-name"] for row in rows] == ["sma", "macd"]
    assert "data-ordered" in rows[1] and "data-ordered" not in rows[0]
    fields = [c for c in choices if isinstance(c.get("id"), dict)]
    assert [f["value"] for f in fields] == ["20", "12", "26", "9"]
    assert all(f["min"] < f["max"] and f["step"] == 1 for f in fields)
    assert sum("data-remove" in c for c in choices) == 2
    assert answer["indicator-count.children"] == "2"


def test_a_drawn_indicator_is_offered_with_another_window(client) -> None:
    choices = components(
        shown(client, "?symbol=AAPL&indicators=sma:20,obv")["indicator-choices.children"]
    )
    offered = {c["children"]: c for c in choices if "data-add" in c}
    assert offered["SMA"]["data-add"] == "sma:50" and not offered["SMA"]["disabled"]
    assert offered["OBV"]["disabled"]


def test_the_most_indicators_disable_adding(client) -> None:
    specs = ",".join(f"sma:{n}" for n in range(5, 5 + MAX_INDICATORS))
    choices = components(
        shown(client, f"?symbol=AAPL&indicators={specs}")["indicator-choices.children"]
    )
    assert all(c["disabled"] for c in choices if "data-add" in c)


def basic_client(market: KnownMarket) -> CallbackClient:
    return make_client(market, advanced=False)


@pytest.mark.parametrize(
    ("search", "left_out"),
    [
        ("?symbol=AAPL&indicators=sma:20,rsi:14", "indicators"),
        ("?symbol=AAPL&type=line&scale=percent", "type, scale"),
        ("?symbol=AAPL&type=candles&scale=linear&indicators=", ""),
        ("?symbol=AAPL&interval=1d&range=5Y", ""),
    ],
)
def test_without_advanced_charts_an_address_is_drawn_as_plain_candles(
    market, search: str, left_out: str
) -> None:
    answer = shown(basic_client(market), search)
    view = market.asked[-1]
    assert (view.kind, view.scale, view.indicators) == ("candles", "linear", ())
    assert view.symbol == "AAPL"
    said = f"left out: {left_out}; advanced charts are switched off here"
    assert (said in words(answer["chart-note.children"])) is bool(left_out)


def test_without_advanced_charts_nothing_on_screen_asks_for_them(market) -> None:
    client = basic_client(market)
    address = {"path": "/charts", "search": "?symbol=AAPL", "n": 1}
    page = client.fire("page.children", "address.data", **{"address.data": address})
    ids = {part.get("id") for part in components(page["page.children"])}
    assert {"interval-picker", "range-buttons", "price-chart"} <= ids
    assert not ids & {"chart-type", "scale-picker", "indicator-picker", "indicator-choices"}
    outputs = client.answering(FIGURE)["output"]
    assert not any(name in outputs for name in ("chart-type", "scale-picker", "indicator"))
    keys = words(client.http.get("/_dash-layout").get_json())
    assert "Reset the zoom" in keys
    assert not any(name in keys for name in ("Logarithmic scale", "Percent scale", "Indicators"))


def test_compare_is_offered_only_where_it_exists(market) -> None:
    def ids(**features: bool) -> list[Any]:
        head = shown(make_client(market, **features))["chart-head.children"]
        return [c.get("id") for c in components(head)]

    assert {"type": "compare", "symbol": "AAPL"} in ids(comparison=True)
    assert {"type": "compare", "symbol": "AAPL"} not in ids(comparison=False)


def test_hostile_code_is_text_in_every_place(client) -> None:
    answer = shown(client, "?symbol=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E")
    assert HOSTILE in words(answer["chart-head.children"])
    trace = answer[FIGURE]["figure"]["data"][0]
    assert trace["name"] == "&lt;img src=x onerror=alert(1)&gt;"


def test_an_alert_begins_with_the_interval_that_was_chosen_and_not_with_what_fits(client) -> None:
    def link(search: str) -> str:
        found = [c for c in components(shown(client, search)["chart-head.children"])]
        return next(one["href"] for one in found if one.get("id") == "new-alert")

    assert link("?symbol=AAPL&interval=1w&range=5Y") == "/alerts?symbol=AAPL&interval=1w"
    assert link("?symbol=AAPL&range=5Y") == "/alerts?symbol=AAPL&interval=1d"


def test_colours_follow_the_theme_of_the_cookie(client) -> None:
    dark = shown(client)[FIGURE]["figure"]["layout"]["paper_bgcolor"]
    client.http.set_cookie("system_theme", "light")
    assert shown(client)[FIGURE]["figure"]["layout"]["paper_bgcolor"] != dark
    client.http.set_cookie("theme", "dark")  # was chosen
    assert shown(client)[FIGURE]["figure"]["layout"]["paper_bgcolor"] == dark
    client.http.delete_cookie("system_theme")
    client.http.set_cookie("theme", "light")
    assert shown(client)[FIGURE]["figure"]["layout"]["paper_bgcolor"] != dark


def test_graph_offers_no_upload_and_zooms_by_wheel(client) -> None:
    address = {"path": "/charts", "search": "", "n": 1}
    page = client.fire("page.children", "address.data", **{"address.data": address})
    graphs = [c for c in components(page["page.children"]) if c.get("id") == "price-chart"]
    assert len(graphs) == 1
    config = graphs[0]["config"]
    assert config["showSendToCloud"] is False and config["scrollZoom"] is True
    assert config["doubleClick"] is False
