"""The Overview: what its one callback answers, for every state of the data."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from mltrading.dashboard import markup, theme
from mltrading.dashboard.figures import breadth
from mltrading.dashboard.pages import overview_table
from mltrading.domain.bars import Interval
from mltrading.domain.view import OverviewQuery
from mltrading.services.market import GroupCount
from tests.callback_client import Answer, CallbackClient
from tests.factories import make_symbol
from tests.test_dashboard.frame_made import (
    EVIL_CODE,
    EVIL_NAME,
    Market,
    make_dashboard,
    make_group,
    make_overview,
    make_row,
)

OUTPUT = "overview-drawn.data"


def show(market: Market, search: str = "", path: str = "/", comparison: bool = True) -> Answer:
    client = CallbackClient(make_dashboard(market, comparison).server)
    address = {"path": path, "search": search, "n": 1}
    return client.fire(OUTPUT, "address.data", **{"address.data": address})


def table(answer: Answer) -> list[Any]:
    return list(answer[OUTPUT]["overview-table"])


def find(node: Any, tag: str, **attributes: str) -> list[Any]:
    """Elements of the markup with that tag and those attributes, in order."""
    if isinstance(node, str):
        return []
    if isinstance(node[0], list) or node[0] not in ALL_TAGS:
        return [hit for child in node for hit in find(child, tag, **attributes)]
    wanted = {name.rstrip("_"): value for name, value in attributes.items()}
    own = [node] if node[0] == tag and wanted.items() <= node[1].items() else []
    return own + [hit for child in node[2:] for hit in find(child, tag, **attributes)]


ALL_TAGS = set("a button div span table thead tbody tr th td".split())


def text(node: Any) -> str:
    return node if isinstance(node, str) else "".join(text(child) for child in node[2:])


def cells(answer: Answer, row: int = 0) -> list[str]:
    (body,) = find(table(answer), "tbody")
    return [text(cell) for cell in body[2 + row][2:]]


@pytest.mark.smoke
def test_row_shows_every_figure_signed_and_rounded() -> None:
    answer = show(Market(make_overview(make_row("AAPL"))))
    assert cells(answer) == [
        "AAPLAAPL Inc.",
        "",
        "1,234.50",
        "+1.23%",
        "−2.00%",
        "0.00%",
        "+50.00%",
        "52.1M",
        "62%",
        "2024-07-02",
        "Analyze AAPLCompare AAPL",
    ]
    assert find(table(answer), "span", class_="up")[0][2] == "+1.23%"
    assert find(table(answer), "span", class_="down")[0][2] == "−2.00%"


def test_unknown_figures_are_dashes_with_a_reason() -> None:
    unknown = dict.fromkeys(
        ("change_1d", "change_1w", "change_1mo", "change_1y", "position_52w"), math.nan
    )
    row = make_row("NEW", volume=0.0, spark=(5.0,), **unknown)
    answer = show(Market(make_overview(row)))
    reasons = [node[1]["title"] for node in find(table(answer), "span", class_="missing")]
    assert reasons == [
        "Needs 2 sessions",
        "Needs 2 sessions of history",
        "Needs a week of history",
        "Needs a month of history",
        "Needs a year of history",
        "No volume in the source",
        "High and low of the year are equal",
    ]
    assert "nan" not in answer.text.lower()


def test_what_a_break_of_adjusted_prices_hides_is_a_dash_that_says_so() -> None:
    hidden = dict.fromkeys(("change_1mo", "change_1y", "position_52w"), math.nan)
    row = make_row("OLD", broken=1_719_878_400_000_000, spark=(5.0,), **hidden)
    answer = show(Market(make_overview(row)))
    reasons = {node[1]["title"] for node in find(table(answer), "span", class_="missing")}
    assert reasons == {"Adjusted prices before 2024-07-02 have another base"}


def test_stale_and_simulated_rows_are_marked() -> None:
    row = make_row(
        "OLD",
        symbol=make_symbol("OLD", simulated=True),
        stale=True,
        stale_sessions=3285,
        stale_text="13 y",
    )
    answer = show(Market(make_overview(row)))
    assert [text(node) for node in find(table(answer), "span", class_="mark mark-stale")] == [
        "13 y"
    ]
    assert find(table(answer), "span", class_="mark mark-simulated")
    row = make_row("ODD", stale=True, stale_sessions=None, stale_text="age unknown: no calendar")
    (mark,) = find(table(show(Market(make_overview(row)))), "span", class_="mark mark-stale")
    assert (mark[1]["title"], text(mark)) == ("age unknown: no calendar", "age?")


def test_intraday_bar_is_dated_in_the_exchanges_time() -> None:
    row = make_row("M", interval=Interval.M1, newest_ts=1_719_950_340_000_000)
    assert cells(show(Market(make_overview(row))))[9] == "2024-07-02 15:59"


@pytest.mark.smoke
def test_hostile_names_stay_text_and_addresses_are_escaped() -> None:
    row = make_row(EVIL_CODE, symbol=make_symbol(EVIL_CODE, name=EVIL_NAME))
    answer = show(Market(make_overview(row)))
    (name,) = find(table(answer), "span", class_="name")
    assert name[2] == EVIL_NAME
    (link,) = find(table(answer), "a")
    assert link[1]["href"] == "/charts?symbol=%27%3B%20DROP%20TABLE"
    assert json.loads(link[1]["id"]) == {"type": "analyze", "symbol": EVIL_CODE}


def test_compare_button_follows_the_feature() -> None:
    market = Market(make_overview(make_row("A")))
    assert find(table(show(market)), "button", **{"data-compare": "A"})
    assert not find(table(show(market, comparison=False)), "button", **{"data-compare": "A"})


# sorting


def heads(answer: Answer) -> dict[str, tuple[str | None, dict[str, Any]]]:
    """Column title -> (aria-sort, the change of the query that its button makes)."""
    found = {}
    for head in find(table(answer), "th", scope="col"):
        for button in find(head, "button"):
            found[text(head)] = (head[1].get("aria-sort"), json.loads(button[1]["data-patch"]))
    return found


def test_head_says_and_turns_the_order() -> None:
    market = Market(make_overview(make_row("A")))
    first = heads(show(market))
    assert first["Symbol"] == ("ascending", {"sort": None, "order": "desc", "page": None})
    assert first["1 day"] == (None, {"sort": "change_1d", "order": "desc", "page": None})
    by_day = heads(show(market, "?sort=change_1d&order=desc"))
    assert by_day["1 day"] == ("descending", {"sort": "change_1d", "order": None, "page": None})
    assert by_day["Symbol"] == (None, {"sort": None, "order": None, "page": None})


def test_every_sort_of_a_head_is_one_the_url_knows() -> None:
    for column in overview_table.COLUMNS:
        if column.sort:
            query, problems = OverviewQuery.parse(f"sort={column.sort}")
            assert (query.sort, problems) == (column.sort, [])


# filters, pages, states


def test_view_of_the_url_reaches_the_service() -> None:
    market = Market(make_overview(make_row("A")))
    show(market, "?q=app&sort=volume&order=desc&sector=Energy&industry=Oil+%26+Gas&page=2")
    assert market.asked == [
        ("overview", OverviewQuery("app", "volume", True, "Energy", "Oil & Gas", 2))
    ]


def patches(components: Any) -> list[dict[str, Any]]:
    found = []
    for part in components:
        for button in [part] if "data-patch" in part["props"] else []:
            found.append(json.loads(button["props"]["data-patch"]))
    return found


def test_chips_clear_their_filter_and_a_sector_takes_its_industry_along() -> None:
    answer = show(Market(make_overview(make_row("A"))), "?sector=Energy&industry=Oil")
    assert patches(answer["overview-chips.children"]) == [
        {"sector": None, "industry": None, "page": None},
        {"industry": None, "page": None},
    ]
    assert "Sector: Energy" in json.dumps(answer["overview-chips.children"])
    assert show(Market(make_overview(make_row("A"))))["overview-chips.children"] == []


def test_pager_turns_pages_and_stops_at_the_ends() -> None:
    def pager(page: int) -> Any:
        overview = make_overview(
            make_row("A"), query=OverviewQuery(page=page), pages=3, matching=250, stored=250
        )
        return show(Market(overview))["overview-pager.children"]

    previous, label, following = pager(1)
    assert previous["props"]["disabled"] and not following["props"]["disabled"]
    assert label["props"]["children"] == "Page 1 of 3"
    assert patches(pager(2)) == [{"page": None}, {"page": "3"}]
    assert pager(3)[2]["props"]["disabled"]
    assert patches(pager(3))[0] == {"page": "2"}
    assert show(Market(make_overview(make_row("A"))))["overview-pager.children"] == []


def test_counts_say_how_many_match_and_are_stale() -> None:
    overview = make_overview(make_row("A"), matching=1, stored=1200, stale=3)
    assert show(Market(overview))["overview-count.children"] == "1 of 1,200 symbols · 3 stale"
    everything = make_overview(make_row("A"), matching=5, stored=5)
    assert show(Market(everything))["overview-count.children"] == "5 symbols"


def test_empty_database_shows_the_commands_that_fill_it() -> None:
    state = json.dumps(show(Market(make_overview()))["overview-state.children"])
    assert "No market data yet" in state
    assert "mltrading import" in state and "mltrading sample" in state


def test_no_match_offers_the_way_back() -> None:
    overview = make_overview(stored=5, notes=["No symbol matches 'zz'."])
    state = show(Market(overview), "?q=zz")["overview-state.children"]
    assert json.dumps(state).count("No symbol matches 'zz'.") == 1
    assert '\\"q\\": null' in json.dumps(state)


def test_what_the_url_asked_in_vain_is_said() -> None:
    answer = show(Market(make_overview(make_row("A"))), "?sort=luck")
    assert "sort='luck' ignored" in json.dumps(answer["overview-state.children"])


@pytest.mark.parametrize("path", ["/charts", "", "/nope"])
def test_other_pages_addresses_are_not_answered(path: str) -> None:
    market = Market()
    assert show(market, path=path).unchanged
    assert market.asked == []


@pytest.mark.parametrize("address", [None, [], "x", {"search": 1}])
def test_what_is_no_address_is_not_answered(address: Any) -> None:
    client = CallbackClient(make_dashboard(Market()).server)
    assert client.fire(OUTPUT, "address.data", **{"address.data": address}).unchanged


def test_no_server_callback_listens_to_a_chart_click() -> None:
    """Clicks filter in the browser; a chart that is put into the page can navigate nowhere."""
    client = CallbackClient(make_dashboard(Market()).server)
    listening = [
        dependency["clientside_function"]["function_name"]
        for dependency in client.dependencies
        for source in dependency["inputs"]
        if source["property"] == "clickData" and source["id"] in ("sector-chart", "industry-chart")
    ]
    assert sorted(listening) == ["industryClicked", "sectorClicked"]


# breadth


def test_breadth_stacks_the_counts_of_each_group() -> None:
    groups = [make_group("Energy", up=3, down=1), make_group("<b>Banks</b>", up=0, down=2)]
    figure = breadth.breadth(groups, None, theme.palette("dark"))
    assert [trace["x"] for trace in figure["data"]] == [[3, 0], [0, 0], [1, 2]]
    assert figure["data"][0]["customdata"] == ["Energy", "<b>Banks</b>"]
    assert figure["layout"]["yaxis"]["ticktext"] == ["Energy", "&lt;b&gt;Banks&lt;/b&gt;"]
    assert figure["data"][0]["marker"]["color"] == theme.palette("dark")["up"]


def test_unknown_changes_have_a_bar_of_their_own_only_where_there_are_some() -> None:
    odd = GroupCount("Odd", 3, 1, 0, 0, 2, math.nan)
    figure = breadth.breadth([odd], None, theme.palette("dark"))
    assert [trace["x"] for trace in figure["data"]] == [[1], [0], [0], [2]]
    assert len(breadth.breadth([make_group()], None, theme.palette("dark"))["data"]) == 3


def test_selected_group_stands_out() -> None:
    groups = [make_group("A"), make_group("B")]
    up, *_ = breadth.breadth(groups, "B", theme.palette("dark"))["data"]
    assert up["marker"]["opacity"] == [breadth.FADED, 1.0]


def test_chart_is_as_high_as_its_bars_need() -> None:
    few, many = [make_group()], [make_group(str(i)) for i in range(40)]
    assert breadth.height(many) - breadth.height(few) == 39 * breadth.ROW_PIXELS
    assert breadth.height([]) == breadth.height(few)


@pytest.mark.parametrize("name", ["dark", "light"])
def test_counts_can_be_read_on_every_part_of_a_bar(name: str) -> None:
    group = GroupCount("Energy", 4, 1, 1, 1, 1, math.nan)
    for part in breadth.breadth([group], None, theme.palette(name))["data"]:
        light = [luminance(part[key]["color"]) for key in ("marker", "textfont")]
        assert (max(light) + 0.05) / (min(light) + 0.05) >= 4.5, part["name"]


def luminance(colour: str) -> float:
    """WCAG 2 relative luminance of #rrggbb."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_keyboard_has_a_button_for_every_bar() -> None:
    answer = show(Market(make_overview(make_row("A"))), "?sector=Energy")
    (button,) = find(answer[OUTPUT]["sector-keys"], "button")
    assert button[1]["data-name"] == "Energy" and button[1]["aria-pressed"] == "true"
    assert text(button) == "Energy: 1 up, 0 unchanged, 0 down"


def test_keyboard_stops_once_at_each_breadth_chart() -> None:
    groups = [make_group(name) for name in ("Banks", "Energy", "Retail")]
    market = Market(make_overview(make_row("A"), sectors=groups, industries=groups))
    answer = show(market, "?industry=Energy")[OUTPUT]
    stops = {
        kind: [b[1]["data-name"] for b in find(answer[f"{kind}-keys"], "button", tabindex="0")]
        for kind in ("sector", "industry")
    }
    assert stops == {"sector": ["Banks"], "industry": ["Energy"]}


# sparklines


def spark(*values: float) -> list[Any]:
    (node,) = find(
        table(show(Market(make_overview(make_row("A", spark=values))))), "td", class_="spark-cell"
    )
    return list(node[2])


def test_sparkline_rises_from_bottom_to_top() -> None:
    assert "d='M1 20l39-9 39-9'" in spark(1.0, 2.0, 3.0)[1]["var-spark"]
    assert spark(1.0, 2.0, 3.0)[1]["class"] == "spark up"
    assert spark(1.0, 2.0, 3.0)[1]["aria-label"] == "3 sessions, +200.00%"


def test_flat_and_gappy_sparklines_are_drawn() -> None:
    assert "d='M1 20l78 0'" in spark(5.0, 5.0)[1]["var-spark"]
    assert spark(5.0, math.nan, 4.0)[1]["class"] == "spark down"


def test_long_sparkline_is_thinned_and_keeps_its_ends() -> None:
    values = tuple(float(i) for i in range(60))
    thinned = overview_table._thinned(values)
    assert len(thinned) == overview_table.SPARK_POINTS
    assert (thinned[0], thinned[-1]) == (0.0, 59.0)


# markup


def test_markup_names_attributes_as_html_does() -> None:
    node = markup.el("td", "x", None, class_="a", aria_label="b", data_x=None, var_at="1%")
    assert node == ["td", {"class": "a", "aria-label": "b", "var-at": "1%"}, "x"]
