"""The frame: the router, the search, the clock's sessions, errors that end as one line."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from dash import Dash, Input, Output
from flask import g

from mltrading.dashboard import components, edge, frame, registry, routing
from mltrading.dashboard.guard.access import Access, guarded
from mltrading.dashboard.pages import PAGES
from mltrading.domain.access import Actor, Role
from mltrading.domain.calendar import Calendars
from mltrading.errors import (
    DatabaseBusy,
    DatabaseFull,
    DatabaseReadOnly,
    DatabaseUnavailable,
    InvalidView,
)
from mltrading.services.ports import DatabaseState
from tests.callback_client import CallbackClient
from tests.factories import make_symbol
from tests.test_dashboard.frame_made import (
    EVIL_CODE,
    EVIL_NAME,
    FixedClock,
    Health,
    Market,
    make_client,
    make_dashboard,
)


@pytest.fixture
def market() -> Market:
    return Market()


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def client(market: Market, health: Health) -> CallbackClient:
    return CallbackClient(make_dashboard(market, health=health).server)


def at(path: str, search: str = "", n: int = 1) -> dict[str, Any]:
    return {"path": path, "search": search, "n": n}


def route(client: CallbackClient, address: Any, shown: str | None = None) -> Any:
    values = {"address.data": address, "page-shown.data": shown}
    return client.fire("page.children", "address.data", **values)


@pytest.mark.smoke
@pytest.mark.parametrize(
    "page", [page for page in PAGES if not page.signed_in], ids=lambda page: page.name
)
def test_router_shows_every_page_with_its_title(
    client: CallbackClient, page: registry.Page
) -> None:
    answer = route(client, at(page.path))
    assert answer["title.data"] == f"{page.title} · MLTrading"
    assert answer["page-shown.data"] == page.path
    assert answer["page.children"]


def test_router_leaves_the_shown_page_alone(client: CallbackClient) -> None:
    assert route(client, at("/charts", "?symbol=B"), shown="/charts").unchanged


@pytest.mark.parametrize("address", [None, [], "x", 3, True])
def test_router_ignores_what_is_no_address(client: CallbackClient, address: Any) -> None:
    assert route(client, address).unchanged


def test_unknown_path_shows_the_not_found_page_as_text(client: CallbackClient) -> None:
    answer = route(client, at("/<b>x</b>"))
    assert answer["title.data"] == "Not found · MLTrading"
    assert "<b>x</b>" in json.dumps(answer["page.children"])
    assert "dangerously" not in answer.text


def test_pages_have_distinct_paths_and_names() -> None:
    assert len({page.path for page in PAGES}) == len({page.name for page in PAGES}) == len(PAGES)


def test_every_graph_refuses_to_send_data_away() -> None:
    assert components.graph("g").config["showSendToCloud"] is False
    assert components.graph("g", config={"scrollZoom": True}).config["showSendToCloud"] is False


# the search


def search(client: CallbackClient, store: str, output: str, data: Any) -> Any:
    return client.fire(output, f"{store}.data", **{f"{store}.data": data})


def test_suggestions_are_text_with_their_codes(market: Market, client: CallbackClient) -> None:
    market.symbols = [make_symbol(EVIL_CODE, name=EVIL_NAME, simulated=True)]
    answer = search(client, "search-text", "symbol-options.children", {"text": " drop ", "n": 1})
    (option,) = answer["symbol-options.children"]
    assert option["props"]["data-code"] == EVIL_CODE
    assert option["props"]["role"] == "option"
    texts = [part["props"]["children"] for part in option["props"]["children"]]
    assert texts == [EVIL_CODE, EVIL_NAME, "Simulated"]
    assert market.asked == [("find", "drop", 8)]


@pytest.mark.parametrize("data", [None, {}, {"text": ""}, {"text": "  "}, {"text": 5}, [1], "AAPL"])
@pytest.mark.parametrize(
    ("store", "output"),
    [("search-text", "symbol-options.children"), ("search-enter", "search-found.data")],
)
def test_search_without_text_asks_nothing(
    market: Market, client: CallbackClient, store: str, output: str, data: Any
) -> None:
    assert search(client, store, output, data).unchanged
    assert market.asked == []


def test_search_text_is_bounded(market: Market, client: CallbackClient) -> None:
    search(client, "search-text", "symbol-options.children", {"text": "x" * 10_000, "n": 1})
    assert market.asked == [("find", "x" * frame.MAX_SEARCH, 8)]


def test_enter_takes_the_first_found(market: Market, client: CallbackClient) -> None:
    market.symbols = [make_symbol("AA"), make_symbol("AAPL")]
    answer = search(client, "search-enter", "search-found.data", {"text": "aa", "n": 7})
    assert answer["search-found.data"] == {"code": "AA", "n": 7}


def test_enter_without_a_match_says_so(client: CallbackClient) -> None:
    answer = search(client, "search-enter", "search-found.data", {"text": "zz", "n": 1})
    assert "No symbol or name contains “zz”" in json.dumps(answer.side["toast"], ensure_ascii=False)
    assert answer.props.get("search-found", {}) == {}


# the clock


def sessions(moment: datetime) -> list[list[int]]:
    parts: Any = SimpleNamespace(clock=FixedClock(moment), calendars=Calendars())
    hours = frame.market_hours(parts)
    assert hours is not None and hours["timezone"] == "America/New_York"
    return hours["sessions"]


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def test_clock_counts_the_running_session_and_knows_short_days_and_holidays() -> None:
    found = sessions(datetime(2024, 7, 3, 16, 59, tzinfo=UTC))  # closes 13:00 New York that day
    assert found[0] == [seconds("2024-07-03T13:30+00:00"), seconds("2024-07-03T17:00+00:00")]
    assert found[1] == [seconds("2024-07-05T13:30+00:00"), seconds("2024-07-05T20:00+00:00")]
    assert len(found) == frame.COMING_SESSIONS


def test_clock_drops_a_session_the_moment_it_closes() -> None:
    found = sessions(datetime(2024, 7, 3, 17, 0, tzinfo=UTC))
    assert found[0][0] == seconds("2024-07-05T13:30+00:00")


# errors


def failing(error: Exception) -> CallbackClient:
    app: Dash = make_dashboard(Market(broken=error))
    return CallbackClient(app.server)


@pytest.mark.smoke
def test_own_error_becomes_one_line(caplog: pytest.LogCaptureFixture) -> None:
    answer = search(
        failing(InvalidView("no such thing; try that")),
        "search-enter",
        "search-found.data",
        {"text": "a", "n": 1},
    )
    assert "no such thing; try that" in json.dumps(answer.side["toast"])
    assert not caplog.records


def test_unknown_error_is_logged_once_with_the_id_the_user_sees(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = failing(RuntimeError("password=secret"))
    with caplog.at_level(logging.INFO):
        answer = search(client, "search-enter", "search-found.data", {"text": "a", "n": 1})
    shown = json.dumps(answer.side["toast"])
    assert answer.status == 200
    assert "secret" not in shown
    (record,) = caplog.records
    assert record.exc_info is not None and str(record.exc_info[1]) == "password=secret"
    number = record.getMessage().rsplit(" ", 1)[1]
    assert number in shown
    assert f'"/ops/log?id={number}"' in shown  # who may read the log is led to it


def test_who_may_not_read_the_log_is_not_sent_there() -> None:
    app = make_dashboard(Market(broken=RuntimeError()))
    analyst = Actor("anna", Role.ANALYST.permissions)
    app.server.before_request(lambda: setattr(g, "actor", analyst))
    client = CallbackClient(app.server)
    answer = search(client, "search-enter", "search-found.data", {"text": "a", "n": 1})
    shown = json.dumps(answer.side["toast"])
    assert "Error id" in shown and "/ops" not in shown


def test_lost_database_is_announced_and_retried(market: Market, client: CallbackClient) -> None:
    market.down = True
    answer = search(client, "search-text", "symbol-options.children", {"text": "a", "n": 1})
    assert "database does not answer" in json.dumps(answer.side["toast"])
    assert "database does not answer" in json.dumps(answer.side["banner"])
    assert answer.side["outage"] == {"disabled": False}
    assert answer.props == {}
    assert answer.status == 503


@pytest.mark.parametrize(
    ("error", "name", "toast", "banner"),
    [
        (DatabaseBusy("all are busy"), "busy", "database is busy", "database is busy"),
        (DatabaseReadOnly("no"), "read-only", "nothing was saved", "nothing is saved"),
        (DatabaseFull("no"), "full", "disk of the database is full", ""),
    ],
)
def test_what_ails_the_database_is_told_by_status_toast_and_banner(
    market: Market,
    client: CallbackClient,
    error: DatabaseUnavailable,
    name: str,
    toast: str,
    banner: str,
) -> None:
    market.broken = error
    answer = search(client, "search-text", "symbol-options.children", {"text": "a", "n": 1})
    assert answer.status == 503
    assert (answer.headers["X-Outage"], answer.headers["Retry-After"]) == (name, "2")
    assert toast in json.dumps(answer.side["toast"])
    assert banner in json.dumps(answer.side.get("banner", ""))
    assert ("outage" in answer.side) == bool(banner)  # the page asks again while a banner stands


def retry(client: CallbackClient, tries: Any, banner: Any = None) -> Any:
    values = {"outage.n_intervals": tries, "banner.children": banner}
    return client.fire("outage.disabled", "outage.n_intervals", **values)


def test_retry_stays_silent_until_the_database_answers(
    market: Market, client: CallbackClient
) -> None:
    market.down = True
    answer = retry(client, 1)
    assert answer.unchanged and not answer.side
    market.down = False
    answer = retry(client, 2)
    assert answer["outage.disabled"] is True
    assert answer["banner.children"] is None
    assert answer["goto.data"] == {"ask": True, "n": 2}


READ_ONLY = json.loads(json.dumps(edge.banner(edge.READ_ONLY).to_plotly_json()))


def test_a_banner_of_no_changes_stays_until_there_are_some(
    market: Market, health: Health, client: CallbackClient
) -> None:
    health.state = DatabaseState.READ_ONLY
    answer = retry(client, 1)  # it was away before
    assert "nothing is saved" in json.dumps(answer["banner.children"])
    assert answer["goto.data"] == {"ask": True, "n": 1}
    assert "disabled" not in answer.props.get("outage", {})
    assert retry(client, 2, READ_ONLY).unchanged
    health.state = DatabaseState.OK
    answer = retry(client, 3, READ_ONLY)
    assert (answer["banner.children"], answer["outage.disabled"]) == (None, True)
    assert "takes changes again" in json.dumps(answer["toast.children"])


def test_a_page_that_is_loaded_while_nothing_is_saved_says_so(
    market: Market, health: Health
) -> None:
    def shown() -> str:
        return make_dashboard(market, health=health).server.test_client().get("/_dash-layout").text

    assert "nothing is saved" not in shown()
    health.state = DatabaseState.READ_ONLY
    assert "nothing is saved" in shown()
    assert market.asked == []


@pytest.mark.parametrize("tries", [None, 0])
def test_retry_that_no_tick_called_does_nothing(
    market: Market, client: CallbackClient, tries: Any
) -> None:
    assert retry(client, tries).unchanged
    assert market.asked == []


def test_database_is_not_asked_for_the_frame() -> None:
    market = Market(down=True)
    http = make_dashboard(market).server.test_client()
    assert http.get("/").status_code == 200
    assert http.get("/_dash-layout").status_code == 200
    assert market.asked == []


def said(component: Any) -> list[str]:
    """Every text, title and label of a tree of components."""
    if isinstance(component, list):
        return [text for child in component for text in said(child)]
    if not isinstance(component, dict):
        return [component] if isinstance(component, str) else []
    props = component["props"]
    own = [str(props[name]) for name in ("title", "aria-label", "placeholder") if name in props]
    return own + said(props.get("children"))


@pytest.mark.parametrize("comparison", [True, False])
def test_nothing_speaks_of_compare_where_it_is_off(market: Market, comparison: bool) -> None:
    client = make_client(market, comparison)
    texts = said(client.http.get("/_dash-layout").get_json())
    for page in PAGES:
        if comparison or page.feature is None:
            texts += said(route(client, at(page.path))["page.children"])
    assert any("Compar" in text for text in texts) == comparison


def test_basket_has_its_tray_only_where_compare_is_on(market: Market) -> None:
    for comparison in (True, False):
        overview = route(make_client(market, comparison), at("/"))["page.children"]
        assert ("compare-tray" in json.dumps(overview)) == comparison


def test_page_name_with_markup_could_not_break_the_title() -> None:
    """The title is escaped in the document, whoever names a page."""
    page = registry.Page("/x", "X", "<script>", "x", None, None)  # type: ignore[arg-type]
    assert routing.page_title(page) == "<script> · MLTrading"
    app = make_dashboard(Market())
    app._pages = (page,)
    document = app.server.test_client().get("/x").get_data(as_text=True)
    assert "<title>&lt;script&gt; · MLTrading</title>" in document


def test_callback_added_by_a_page_answers_errors_too() -> None:
    app = make_dashboard(Market())

    @app.callback(Output("page", "title"), Input("title", "data"))
    @guarded(Access.SIGNED_IN)
    def broken(data: Any) -> str:
        raise KeyError(data)

    client = CallbackClient(app.server)
    answer = client.fire("page.title", "title.data", **{"title.data": "x"})
    assert "Error id" in json.dumps(answer.side["toast"])
