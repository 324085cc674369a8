"""POST /timings: takes what can be true under names of ours, and fails for nobody."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from werkzeug.test import TestResponse

from mltrading.dashboard import timings
from mltrading.dashboard.guard.web import Web
from mltrading.dashboard.pages import PAGES
from mltrading.dashboard.timings import MOST_BYTES, MOST_TIMINGS, REPORTS, Turnstile
from mltrading.utils.measures import BROWSER_SECONDS, TALLY
from tests.test_dashboard.people_made import SIGNED, Place
from tests.visitors import Visitor

pytestmark = pytest.mark.smoke

CALLBACK = "sector-chart.figure"


def place(web: Web = Web()) -> Place:
    made = Place(web)
    timings.install(made.app, [page.path for page in PAGES], 0.25)
    return made


def report(visitor: Visitor, *rows: Any, text: str | None = None, **more: Any) -> TestResponse:
    fields = {"timings": json.dumps(rows) if text is None else text, "csrf_token": visitor.token}
    return visitor.http.post("/timings", data=fields, **more)


@pytest.fixture
def visitor() -> Visitor:
    return Visitor(place().server)


def seen() -> dict[tuple[str, ...], tuple[int, float]]:
    """How many timings there are by (page, kind, name), and their sum."""
    return {
        entry.key[1:]: (sum(entry.counts), entry.value)
        for entry in TALLY.own()
        if entry.key[0] == BROWSER_SECONDS
    }


def test_known_timings_are_added_up(visitor: Visitor) -> None:
    before = seen()
    answer = report(
        visitor,
        ["load", "", "/charts", 812.5],
        ["paint", "", "/charts", 140],
        ["callback", CALLBACK, "/", 33],
        ["long_task", "", "/", 60],
    )
    assert (answer.status_code, answer.data) == (204, b"")
    after = seen()
    for key, seconds in {
        ("/charts", "load", ""): 0.8125,
        ("/charts", "paint", ""): 0.14,
        ("/", "callback", CALLBACK): 0.033,
        ("/", "long_task", ""): 0.06,
    }.items():
        count, total = before.get(key, (0, 0.0))
        assert after[key] == (count + 1, pytest.approx(total + seconds))


@pytest.mark.parametrize(
    "row",
    [
        ["load", "", "/nowhere", 5],
        ["load", "AAPL", "/charts", 5],
        ["callback", "no-such.output", "/charts", 5],
        ["callback", "address.data", "/charts", 5],  # it runs in the browser
        ["theft", "", "/charts", 5],
        ["load", "", "/charts", -1],
        ["load", "", "/charts", 1e9],
        ["load", "", "/charts", math.nan],
        ["load", "", "/charts", math.inf],
        ["load", "", "/charts", 10**400],
        ["load", "", "/charts", True],
        ["load", "", "/charts", "5"],
        ["load", "", ["/charts"], 5],
        ["load", {}, "/charts", 5],
        ["load", "", "/charts"],
        ["load", "", "/charts", 5, 6],
        "load",
        None,
        {"kind": "load"},
    ],
)
def test_anything_else_is_left_out(visitor: Visitor, row: Any) -> None:
    before = seen()
    assert report(visitor, row).status_code == 204
    assert seen() == before


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", 400),
        ("null", 400),
        ("{}", 400),
        ("[", 400),
        ("[" * 5000, 400),
        ("9" * 5000, 400),
        (json.dumps([["load", "", "/charts", 5]] * (MOST_TIMINGS + 1)), 400),
        ("[" + " " * MOST_BYTES + "]", 413),
        ('["\\ud800"]', 204),
    ],
)
def test_what_is_no_report_is_refused_without_a_word(
    visitor: Visitor, text: str, status: int
) -> None:
    answer = report(visitor, text=text)
    assert (answer.status_code, answer.data) == (status, b"")


def test_a_report_that_is_no_form_is_refused(visitor: Visitor) -> None:
    for body, kind in ((b"\xff\xfe", "text/plain"), (b"\xff=\xfe", "application/json"), (b"", "")):
        answer = visitor.http.post("/timings", data=body, content_type=kind)
        assert answer.status_code == 400


def test_one_visitor_reports_so_often_and_no_more(visitor: Visitor) -> None:
    statuses = [report(visitor).status_code for _ in range(REPORTS + 2)]
    assert statuses == [204] * REPORTS + [429, 429]


def test_a_new_minute_lets_in_again() -> None:
    now = 0.0
    turnstile = Turnstile(lambda: now)
    assert [turnstile.admits("a") for _ in range(REPORTS + 1)][-1] is False
    assert turnstile.admits("b")
    now = 61.0
    assert turnstile.admits("a")


def test_where_people_sign_in_only_they_report_and_only_from_a_page_of_ours() -> None:
    made = place(SIGNED)
    stranger, vera = Visitor(made.server), Visitor(made.server)
    assert report(stranger).status_code == 401
    vera.sign_in("vera")
    assert report(vera).status_code == 204
    assert vera.http.post("/timings", data={"timings": "[]"}).status_code == 400
    assert report(vera, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_while_the_database_is_away_a_report_is_dropped_and_nobody_is_told_of_a_failure() -> None:
    made = place(SIGNED)
    vera = Visitor(made.server)
    vera.sign_in("vera")
    token = vera.token
    made.identity.away = True
    answer = vera.http.post("/timings", data={"timings": "[]", "csrf_token": token})
    assert (answer.status_code, answer.data) == (204, b"")
    assert vera.get("/help").status_code == 503


def test_the_document_says_which_share_of_loads_reports() -> None:
    assert 'data-timings="0.25"' in Visitor(place().server).get("/help").get_data(as_text=True)
    assert 'data-timings="0"' in Visitor(Place(Web()).server).get("/help").get_data(as_text=True)


def test_without_measuring_there_is_nowhere_to_report_to() -> None:
    assert Visitor(Place(Web()).server).http.post("/timings").status_code == 405
