"""The Compare page over HTTP, on a market that only this test knows."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from mltrading.domain.access import Actor
from mltrading.domain.bars import Symbol
from mltrading.domain.view import MAX_COMPARED, CompareView
from mltrading.errors import UnknownSymbol
from mltrading.services.market import Comparison
from tests.callback_client import Answer, CallbackClient
from tests.factories import make_symbol
from tests.test_dashboard.comparisons_made import make_comparison
from tests.test_dashboard.frame_made import make_client

KNOWN = {code: make_symbol(code) for code in ("AAPL", "IBM", "MSFT")}
KNOWN["<b>"] = make_symbol("<b>", name="<img src=x>", simulated=True)


@dataclass
class KnownMarket:
    """Answers from KNOWN; keeps what it was asked."""

    asked: list[CompareView] = field(default_factory=list)
    made: dict[str, Any] = field(default_factory=dict)

    def compare(self, actor: Actor, view: CompareView) -> Comparison:
        self.asked.append(view)
        symbols = [KNOWN[code] for code in view.symbols if code in KNOWN]
        if not symbols:
            raise UnknownSymbol(
                f"unknown symbol '{view.symbols[0]}'", "nearest known: 'AAPL'", "AAPL"
            )
        return make_comparison(symbols=symbols, query=view.to_query(), **self.made)

    def find(self, actor: Actor, text: str, limit: int = 20) -> list[Symbol]:
        return [symbol for code, symbol in KNOWN.items() if text.upper() in code][:limit]


@pytest.fixture
def market() -> KnownMarket:
    return KnownMarket()


@pytest.fixture
def client(market: KnownMarket) -> CallbackClient:
    return make_client(market)


def shown(client: CallbackClient, search: str, path: str = "/compare") -> Answer:
    address = {"path": path, "search": search, "n": 1}
    return client.fire("compare-chart.figure", "address.data", **{"address.data": address})


def added(client: CallbackClient, typed: object, search: str = "", submitted: object = 1) -> Answer:
    values = {
        "compare-add.n_submit": submitted,
        "compare-add.value": typed,
        "address.data": {"path": "/compare", "search": search, "n": 1},
    }
    return client.fire("compare-add.value", "compare-add.n_submit", **values)


def words(component: Any) -> str:
    """All the text of a component tree, in order."""
    if isinstance(component, list):
        return " ".join(filter(None, map(words, component)))
    if isinstance(component, dict):
        return words(component.get("props", {}).get("children"))
    return "" if component is None else str(component)


def patches(component: Any) -> list[dict[str, Any]]:
    """What every button of a component tree does to the address."""
    if isinstance(component, list):
        return [patch for child in component for patch in patches(child)]
    if not isinstance(component, dict):
        return []
    props = component["props"]
    own = [json.loads(props["data-patch"])] if "data-patch" in props else []
    return own + patches(props.get("children"))


def links(component: Any) -> list[str]:
    """Where the links of a component tree lead."""
    if isinstance(component, list):
        return [href for child in component for href in links(child)]
    if not isinstance(component, dict):
        return []
    props = component["props"]
    own = [props["href"]] if "href" in props else []
    return own + links(props.get("children"))


def test_address_becomes_chart_chips_note_and_table(client: CallbackClient) -> None:
    answer = shown(client, "?symbols=AAPL,IBM&range=1Y")
    assert [t["name"] for t in answer["compare-chart.figure"]["data"]] == ["AAPL", "IBM"]
    assert answer["compare-chart-box.className"] == ""
    assert "AAPL" in words(answer["compare-symbols.children"])
    assert "250 points" in words(answer["compare-note.children"])
    assert "Corr. to AAPL" in words(answer["compare-metrics.children"])
    # On a phone each row is a block whose cells say what they are.
    assert '"data-label": "Corr. to AAPL"' in json.dumps(answer["compare-metrics.children"])
    address = {"path": "/compare", "search": "", "n": 1}
    page = client.fire("page.children", "address.data", **{"address.data": address})
    assert "CSV of lines" in words(page["page.children"])
    assert "CSV of table" in words(answer["compare-metrics.children"])


def test_service_is_asked_for_the_view_of_the_address(
    client: CallbackClient, market: KnownMarket
) -> None:
    shown(client, "?symbols=IBM,AAPL&mode=indexed&range=3M")
    assert market.asked == [CompareView.parse("symbols=IBM,AAPL&mode=indexed&range=3M")[0]]


def test_another_pages_address_is_not_answered(client: CallbackClient, market: KnownMarket) -> None:
    assert shown(client, "?symbols=AAPL", path="/charts").unchanged
    assert market.asked == []


@pytest.mark.parametrize("address", [None, [], "x", {"path": "/compare", "search": 7}])
def test_an_address_of_no_shape_is_no_error(client: CallbackClient, address: object) -> None:
    answer = client.fire("compare-chart.figure", "address.data", **{"address.data": address})
    assert answer.status in (200, 204)


def test_no_symbols_says_what_to_do(client: CallbackClient, market: KnownMarket) -> None:
    answer = shown(client, "")
    assert answer["compare-chart-box.className"] == "is-empty"
    assert "press Enter" in words(answer["compare-metrics.children"])
    assert market.asked == []


def test_only_unknown_symbols_are_named_with_the_nearest(client: CallbackClient) -> None:
    answer = shown(client, "?symbols=APPL")
    assert "nearest known: 'AAPL'" in words(answer["compare-note.children"])
    assert answer["compare-chart-box.className"] == "is-empty"


def test_a_window_without_bars_keeps_the_table_and_its_reasons(
    client: CallbackClient, market: KnownMarket
) -> None:
    market.made = {"count": 0}
    answer = shown(client, "?symbols=AAPL,IBM")
    assert answer["compare-chart-box.className"] == "is-empty"
    table = words(answer["compare-metrics.children"])
    assert table.count("no bars in this window") == 2


def test_one_session_says_in_each_cell_how_many_it_needs(
    client: CallbackClient, market: KnownMarket
) -> None:
    market.made = {"count": 1}
    body = shown(client, "?symbols=AAPL,IBM")["compare-metrics.children"]["props"]["children"][0]
    row = words(body["props"]["children"]["props"]["children"][1]["props"]["children"][1])
    needs = row.partition("IBM")[2]
    assert needs.count("needs 2 sessions") == 2  # return and drawdown
    assert needs.count("needs 3 sessions") == 2  # volatility and Sharpe
    assert needs.count("needs 3 common sessions") == 1
    assert "—" not in row and "nan" not in row.lower() and "0.00%" not in row


def test_one_point_draws_no_empty_axes(client: CallbackClient, market: KnownMarket) -> None:
    market.made = {"count": 1}
    assert shown(client, "?symbols=AAPL,IBM")["compare-chart-box.className"] == "is-empty"


def test_one_bar_says_why_no_line_is_drawn(client: CallbackClient, market: KnownMarket) -> None:
    market.made = {"count": 1}
    note = words(shown(client, "?symbols=AAPL,IBM")["compare-note.children"])
    assert "1 point ·" in note and "choose a longer range" in note


def folds(component: Any) -> list[dict[str, Any]]:
    """The parts of a component tree that unfold."""
    if isinstance(component, list):
        return [fold for child in component for fold in folds(child)]
    if not isinstance(component, dict):
        return []
    own = [component] if component["type"] == "Details" else []
    return own + folds(component["props"].get("children"))


def test_many_notes_fold_behind_the_first(client: CallbackClient, market: KnownMarket) -> None:
    stale = [f"{code} has no bars in this window." for code in ("AAPL", "IBM", "MSFT")]
    market.made = {"notes": stale}
    notes = shown(client, "?symbols=AAPL,IBM&mode=wrong")["compare-note.children"]
    (fold,) = folds(notes)
    assert words(fold["props"]["children"][0]) == "2 more notes"
    assert words(fold["props"]["children"][1]) == " ".join(stale[1:])
    at_once = words([note for note in notes if not folds(note)])
    assert "250 points" in at_once and "mode='wrong' ignored" in at_once and stale[0] in at_once


def test_two_notes_are_both_shown(client: CallbackClient, market: KnownMarket) -> None:
    market.made = {"notes": ["One thing.", "Another."]}
    notes = shown(client, "?symbols=AAPL,IBM")["compare-note.children"]
    assert words(notes).endswith("One thing. Another.") and not folds(notes)


def test_what_was_ignored_in_the_address_is_said(client: CallbackClient) -> None:
    answer = shown(client, "?symbols=AAPL&mode=logarithmic")
    assert "mode='logarithmic' ignored" in words(answer["compare-note.children"])


def test_chip_removes_its_symbol_and_no_other(client: CallbackClient) -> None:
    answer = shown(client, "?symbols=AAPL,IBM,MSFT")
    removed = [patch["symbols"] for patch in patches(answer["compare-symbols.children"])]
    assert removed == ["IBM,MSFT", "AAPL,MSFT", "AAPL,IBM"]


def test_last_chip_leaves_no_symbols(client: CallbackClient) -> None:
    chips = shown(client, "?symbols=AAPL")["compare-symbols.children"]
    assert patches(chips) == [{"symbols": None}]


def test_a_range_replaces_a_window(client: CallbackClient) -> None:
    ranges = shown(client, "?symbols=AAPL&start=2022-02-01&end=2022-03-01")[
        "compare-range.children"
    ]
    assert {"range": "3M", "start": None, "end": None} in patches(ranges)
    assert all(button["props"]["aria-pressed"] == "false" for button in ranges)


def test_pressed_buttons_show_the_view(client: CallbackClient) -> None:
    answer = shown(client, "?symbols=AAPL&range=3M&mode=price")
    pressed = {
        button["props"]["children"]
        for group in ("compare-range", "compare-mode")
        for button in answer[f"{group}.children"]
        if button["props"]["aria-pressed"] == "true"
    }
    assert pressed == {"3M", "Price"}


def test_names_stay_text_and_simulated_says_so(client: CallbackClient) -> None:
    answer = shown(client, "?symbols=%3Cb%3E,AAPL")
    assert answer["compare-chart.figure"]["data"][0]["name"] == "&lt;b&gt;"
    assert "<img src=x>" in words(answer["compare-metrics.children"])  # React escapes text
    assert "Simulated" in words(answer["compare-symbols.children"])


def test_enter_adds_the_symbol_found_and_keeps_the_view(client: CallbackClient) -> None:
    answer = added(client, "ibm", "?symbols=AAPL&mode=price")
    assert answer["goto.data"]["href"] == "/compare?symbols=AAPL,IBM&mode=price"
    assert answer["compare-add.value"] == ""


def test_enter_on_a_symbol_already_there_adds_none(client: CallbackClient) -> None:
    assert added(client, "AAPL", "?symbols=AAPL")["goto.data"]["href"] == "/compare?symbols=AAPL"


def test_enter_on_an_unknown_name_says_so_and_goes_nowhere(client: CallbackClient) -> None:
    answer = added(client, "ZZZ", "?symbols=AAPL")
    assert "goto" not in answer.props
    assert "No symbol or name contains “ZZZ”" in words(answer.side["toast"]["children"])


def test_a_ninth_symbol_is_refused(client: CallbackClient) -> None:
    eight = ",".join(f"S{n}" for n in range(MAX_COMPARED))
    answer = added(client, "AAPL", f"?symbols={eight}")
    assert "goto" not in answer.props
    assert "remove one first" in words(answer.side["toast"]["children"])


@pytest.mark.parametrize("submitted", [None, 0, -1, "1", {"evil": 1}])
def test_enter_that_nobody_pressed_adds_nothing(client: CallbackClient, submitted: object) -> None:
    assert added(client, "IBM", "?symbols=AAPL", submitted).unchanged


@pytest.mark.parametrize("typed", [None, "", "  ", 5, {"evil": 1}, []])
def test_enter_without_text_adds_nothing(client: CallbackClient, typed: object) -> None:
    assert added(client, typed, "?symbols=AAPL").unchanged


def test_typing_offers_symbols(client: CallbackClient) -> None:
    answer = client.fire(
        "compare-found.children", "compare-add.value", **{"compare-add.value": "a"}
    )
    offered = [option["props"]["value"] for option in answer["compare-found.children"]]
    assert offered == ["AAPL"]


def test_page_is_absent_without_the_feature(market: KnownMarket) -> None:
    client = make_client(market, comparison=False)
    assert client.http.get("/compare").status_code == 404
    assert "/compare" not in links(client.http.get("/_dash-layout").get_json())
    assert not [d for d in client.dependencies if "compare-chart" in d["output"]]


def test_page_is_there_with_the_feature(client: CallbackClient) -> None:
    assert client.http.get("/compare").status_code == 200
    assert "/compare" in links(client.http.get("/_dash-layout").get_json())
