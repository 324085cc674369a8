"""Everybody asks for everything: the table says who is told what, and nobody is ever told 5xx.

A route or callback without a row, and a row without one, fail the test of completeness. So whoever
adds one says here who may reach it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pyotp
import pytest
from dash import Dash, Input, Output, html

from mltrading import dashboard
from mltrading.adapters.postgres.pool import Database
from mltrading.app import create_app
from mltrading.dashboard import registry
from mltrading.dashboard.pages import PAGES
from mltrading.errors import ConfigurationError
from mltrading.settings import load_settings
from tests import market_data
from tests.callback_client import CallbackClient, component_id, split_outputs
from tests.database_fixtures import clone, database_on, drop
from tests.identities import People
from tests.live_fixtures import METRICS_TOKEN
from tests.visitors import CALLBACK, SIGN_IN, STRICT, Visitor

pytestmark = pytest.mark.database

WHO = ("anonymous", "unenrolled", "viewer", "analyst", "admin")
"""`unenrolled` is an administrator who has no second factor yet."""


@dataclass(frozen=True)
class Row:
    """An address of one route, and the status that each of WHO is answered with; `fields` go along
    with a POST, `session` says that it is asked for before anything else."""

    path: str
    statuses: tuple[int, int, int, int, int]
    fields: tuple[tuple[str, str], ...] = ()
    session: bool = False


def page(path: str) -> Row:
    return Row(path, (302, 302, 200, 200, 200))


def inner(path: str) -> Row:
    return Row(path, (401, 200, 200, 200, 200))


def export(path: str) -> Row:
    return Row(path, (401, 403, 403, 200, 200))


def everybody(path: str, status: int = 200) -> Row:
    return Row(path, (status,) * 5)


A_LINK = "a" * 43
SESSION_POST = (401, 204, 204, 204, 204)
SUITE = "/_dash-component-suites/<string:package_name>/<path:fingerprinted_path>"
PLOTLY = "/_dash-component-suites/plotly/package_data/plotly.min.js"

ROUTES: dict[tuple[str, str], list[Row]] = {
    ("GET", "/"): [page("/"), page("/?sector=%27%3B+DROP+TABLE&page=9999999999")],
    ("GET", "/<path:path>"): [
        page("/charts?symbol=%3Cimg+src%3Dx%3E&indicators=sma:20"),
        page("/compare?symbols=AAPL,NOSUCH,%27"),
        page("/help"),
        page("/alerts?symbol=%27%3B+DROP&interval=x&kind=%3Cimg%3E&edit=99999999999999999999"),
        Row("/account", (302, 200, 200, 200, 200)),
        Row("/admin", (302, 302, 403, 403, 200)),
        Row("/ops/alerts", (302, 302, 403, 403, 200)),
        Row("/ops/alerts?silence=%27&rule=%3Cb%3E&page=99999999999", (302, 302, 403, 403, 200)),
        Row("/admin?tab=audit&who=%27&page=99999999999", (302, 302, 403, 403, 200)),
        everybody("/admin?tab=audit&who=%00", 400),
        Row("/ops", (302, 302, 403, 403, 200)),
        Row("/ops/latency?kind=route&name=%27&range=x", (302, 302, 403, 403, 200)),
        Row("/ops/log?id=%27&page=99999999999&level=x", (302, 302, 403, 403, 200)),
        Row("/ops/deployments", (302, 302, 403, 403, 200)),
        Row("/ops/usage?range=30d", (302, 302, 403, 403, 200)),
        Row("/ops/", (404, 302, 404, 404, 404)),
        Row("/nowhere", (404, 302, 404, 404, 404)),
        Row("/healthz", (404, 302, 404, 404, 404)),
        Row("/.env", (404, 302, 404, 404, 404)),
        Row("/../../etc/passwd", (404, 302, 404, 404, 404)),
        everybody("/%00", 400),
    ],
    ("GET", "/_dash-layout"): [inner("/_dash-layout")],
    ("GET", "/_dash-dependencies"): [inner("/_dash-dependencies")],
    ("GET", "/_reload-hash"): [inner("/_reload-hash")],
    ("GET", "/notices"): [inner("/notices"), inner("/notices?x=%27")],
    ("GET", "/assets/<path:filename>"): [
        everybody("/assets/tokens.css"),
        everybody("/assets/../app.py", 404),
        everybody("/assets/js", 404),
        everybody("/assets/x%00.css", 400),
    ],
    ("GET", SUITE): [
        everybody("/_dash-component-suites/dash/deps/react@18.3.1.min.js"),
        everybody("/_dash-component-suites/os/x.js", 404),
        everybody("/_dash-component-suites/dash/../../x.js", 404),
    ],
    ("GET", PLOTLY): [everybody(PLOTLY)],
    ("GET", "/favicon.ico"): [everybody("/favicon.ico")],
    ("GET", "/_favicon.ico"): [everybody("/_favicon.ico")],
    ("GET", "/health"): [everybody("/health")],
    ("GET", "/health/live"): [everybody("/health/live")],
    ("GET", "/health/ready"): [everybody("/health/ready")],
    ("GET", "/health/full"): [Row("/health/full", (401, 401, 401, 401, 200))],
    ("GET", "/metrics"): [everybody("/metrics", 401)],  # opens to a token, whoever brings it
    ("POST", "/timings"): [
        Row("/timings", SESSION_POST, fields=(("timings", "[]"),), session=True),
        Row("/timings", (401, 400, 400, 400, 400), fields=(("timings", "{"),), session=True),
    ],
    ("GET", "/export/chart.csv"): [
        export("/export/chart.csv?symbol=AAPL"),
        Row("/export/chart.csv?symbol=NOSUCH", (401, 403, 403, 404, 404)),
        Row("/export/chart.csv?symbol=AAPL&start=x", (401, 403, 403, 400, 400)),
    ],
    ("GET", "/export/overview.csv"): [export("/export/overview.csv?sector=%27%3B+DROP+TABLE")],
    ("GET", "/export/compare.csv"): [export("/export/compare.csv?symbols=AAPL,IBM")],
    ("GET", "/export/compare-metrics.csv"): [export("/export/compare-metrics.csv?symbols=AAPL")],
    ("GET", "/export/audit.csv"): [
        Row("/export/audit.csv", (401, 403, 403, 403, 200)),
        Row("/export/audit.csv?since=x", (401, 403, 403, 403, 400)),
    ],
    ("GET", "/login"): [
        Row("/login", (200, 303, 303, 303, 303)),
        Row("/login?next=https://evil.example", (200, 303, 303, 303, 303)),
    ],
    ("POST", "/login"): [everybody("/login", 401)],
    ("POST", "/logout"): [everybody("/logout", 303)],
    ("GET", "/password/<link>"): [everybody(f"/password/{A_LINK}", 410)],
    ("POST", "/password/<link>"): [
        everybody(f"/password/{A_LINK}", 410),
        everybody("/password/%F0%9F%92%A9", 410),
    ],
    ("GET", "/openid/begin"): [everybody("/openid/begin", 401)],
    ("GET", "/openid/back"): [everybody("/openid/back?code=x&state=y", 401)],
}

SHOWN = (401, 403, 200, 200, 200)  # needs can_view_shared_data
SESSION = (401, 200, 200, 200, 200)

ADMINISTRATORS = (401, 403, 403, 403, 200)

CALLBACKS: dict[str, tuple[int, int, int, int, int]] = {
    "account-parts.data": SESSION,
    "admin-tabs.children": ADMINISTRATORS,
    "ops-alerts-parts.data": ADMINISTRATORS,
    "ops-parts.data": ADMINISTRATORS,
    "ops-latency-parts.data": ADMINISTRATORS,
    "ops-log-parts.data": ADMINISTRATORS,
    "ops-deployments-parts.data": ADMINISTRATORS,
    "ops-usage-parts.data": ADMINISTRATORS,
    "alerts-parts.data": SHOWN,
    "page.children": SESSION,
    "outage.disabled": SESSION,
    "symbol-options.children": SHOWN,
    "search-found.data": SHOWN,
    "sector-chart.figure": SHOWN,
    "chart-answer.data": SHOWN,
    "compare-symbols.children": SHOWN,
    "compare-found.children": SHOWN,
    "goto.data": SHOWN,  # adds a symbol to the comparison
}
"""Each server callback by its first output; 200 stands for 204, nothing to change, too."""

JUNK: list[Any] = [
    *(None, True, -1, 2**63, 1e308, "", "x" * 5000, "\0", "'; DROP TABLE users; --"),
    *([], {}, [[]], {"path": "/charts", "search": "?symbol=\0&start=99999999999999999999"}),
    *({"path": 7, "search": []}, {"path": "/", "search": "?page=-1&sort=\0", "n": {}}, ["\0"] * 50),
]
NEVER: list[Any] = [10**400, [-(2**80)], "\ud800", {"text": "a", "n": 10**40}]
"""What no answer could hold."""

SWITCHES = {
    **SIGN_IN,
    "METRICS_TOKEN": METRICS_TOKEN,
    "MLTRADING_LIMIT_CALLBACK": "100000/60",
    "MLTRADING_LIMIT_ACCOUNT": "100000/60",
    "MLTRADING_LIMIT_ADDRESS": "100000/60",
}


class World:
    """The whole dashboard over a market of daily bars, and one visitor of each kind."""

    def __init__(self, app: Dash, people: People) -> None:
        self.app = app
        self.people = people
        for name, role in (("newton", "admin"), ("vera", "viewer"), ("anna", "analyst")):
            people.add(name, role)
        people.add("adam", "admin")
        self.secret = people.enrol("adam")
        self.visitors = {who: Visitor(app.server) for who in WHO}
        for who in WHO[1:]:
            self.sign_in(who)

    def sign_in(self, who: str) -> None:
        name = {"unenrolled": "newton", "viewer": "vera", "analyst": "anna", "admin": "adam"}[who]
        # A code counts once, and the sweep signs in more often than codes change.
        self.people.run("UPDATE users SET totp_step = 0")
        code = pyotp.TOTP(self.secret).now() if name == "adam" else ""
        assert self.visitors[who].sign_in(name, code=code).status_code == 303, who
        assert self.visitors[who].token

    @property
    def callbacks(self) -> CallbackClient:
        return self.visitors["viewer"].callbacks

    def is_signed_in(self, who: str) -> bool:
        return self.visitors[who].get("/_dash-layout").status_code == 200


@pytest.fixture(scope="module")
def world(
    server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    name = f"mlt_sweep_{secrets.token_hex(4)}"
    clone(server_url, template, name)
    url = database_on(server_url, name)
    market_data.load(url, minutes_of=0)
    folder = tmp_path_factory.mktemp("config")
    (folder / "development.yml").write_text(STRICT)
    with pytest.MonkeyPatch.context() as patch, closing(Database(url, 1)) as database:
        for key, value in {**SWITCHES, "MLTRADING_CONFIG": str(folder)}.items():
            patch.setenv(key, value)
        yield World(create_app(load_settings(), url), People(database))
    drop(server_url, name)


# -- routes ---------------------------------------------------------------------------------------


def test_every_route_has_a_row(world: World) -> None:
    there = {
        (method, rule.rule)
        for rule in world.app.server.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD"}
    }
    assert there - {("POST", CALLBACK)} == set(ROUTES)


CASES = [(method, row) for (method, _), rows in ROUTES.items() for row in rows]


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize(("method", "row"), CASES, ids=lambda v: getattr(v, "path", v))
def test_each_route_says_to_each_visitor_what_the_table_says(
    world: World, method: str, row: Row, who: str
) -> None:
    visitor, expected = world.visitors[who], row.statuses[WHO.index(who)]
    if method == "GET":
        assert visitor.get(row.path).status_code == expected
        return
    unknown = row.session and who == "anonymous"  # then the session is what it lacks first
    foreign = {"Sec-Fetch-Site": "cross-site"}
    fields, stolen = dict(row.fields), other(world, who).token or "x"
    assert post(visitor, row.path, **fields).status_code == (401 if unknown else 400)
    answer = post(visitor, row.path, foreign, **fields, csrf_token=visitor.token)
    assert answer.status_code == (401 if unknown else 403)
    answer = post(visitor, row.path, **fields, csrf_token=stolen)
    assert answer.status_code == (401 if unknown else 400)
    if who != "anonymous":
        assert world.is_signed_in(who), "what was refused did something"
    answer = post(visitor, row.path, **fields, csrf_token=token(visitor))
    assert answer.status_code == expected
    if row.path == "/logout" and who != "anonymous":
        assert not world.is_signed_in(who)
        world.sign_in(who)


def post(visitor: Visitor, path: str, headers: Any = None, **fields: Any) -> Any:
    return visitor.http.post(path, data=fields, headers=headers)


def token(visitor: Visitor) -> str:
    return visitor.token or visitor.form("/login")["csrf_token"]


def other(world: World, who: str) -> Visitor:
    return world.visitors["analyst" if who == "viewer" else "viewer"]


@pytest.mark.parametrize("who", WHO)
def test_other_methods_are_405_for_everybody(world: World, who: str) -> None:
    allowed: dict[str, set[str]] = {CALLBACK: {"POST"}}
    for method, row in CASES:
        if "%" not in row.path and ".." not in row.path:
            allowed.setdefault(row.path.partition("?")[0], {"HEAD"}).add(method)
    for path, methods in allowed.items():
        for method in {"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - methods:
            answer = world.visitors[who].http.open(path, method=method)
            assert answer.status_code == 405, (method, path)


# -- callbacks ------------------------------------------------------------------------------------


def test_every_callback_has_a_row(world: World) -> None:
    specs = world.callbacks.server_side
    first = [split_outputs(spec["output"])[0].partition("@")[0] for spec in specs]
    assert sorted(first) == sorted(CALLBACKS)


def spec_of(world: World, output: str) -> dict[str, Any]:
    specs = world.callbacks.server_side
    return next(s for s in specs if split_outputs(s["output"])[0].partition("@")[0] == output)


def request_of(spec: dict[str, Any], value: Any = None) -> dict[str, Any]:
    """As the browser asks, with one value for all that goes in."""

    def filled(part: dict[str, Any]) -> dict[str, Any]:
        id = component_id(part["id"])
        return {"id": id, "property": part["property"], "value": value}

    outputs = [one.rpartition(".") for one in split_outputs(spec["output"])]
    named = [{"id": component_id(id), "property": name} for id, _, name in outputs]
    changed = [f"{part['id']}.{part['property']}" for part in spec["inputs"]]
    return {
        "output": spec["output"],
        "outputs": named if spec["output"].startswith("..") else named[0],
        "inputs": [filled(part) for part in spec["inputs"]],
        "state": [filled(part) for part in spec["state"]],
        "changedPropIds": changed,
    }


def misshapen(spec: dict[str, Any]) -> dict[str, Any]:
    """Requests of this callback that no page of ours sends, by what is wrong."""
    good = request_of(spec)
    elsewhere = {"id": "login-password", "property": "value", "value": "x"}
    return {
        "no inputs": {**good, "inputs": []},
        "inputs of another": {**good, "inputs": [elsewhere] * len(spec["inputs"])},
        "one too many": {**good, "inputs": [*good["inputs"], elsewhere]},
        "no list": {**good, "inputs": "x"},
        "state of another": {**good, "state": [elsewhere]},
        "no outputs": {**good, "outputs": None},
        "outputs without ids": {**good, "outputs": [{}] * 9},
        "changed is no list": {**good, "changedPropIds": 7},
        "changed are no names": {**good, "changedPropIds": [{}]},
    }


def fire(visitor: Visitor, body: Any, **headers: str) -> Any:
    # Not by `json=`: a lone surrogate has to travel as the escape that a hostile client sends.
    data = json.dumps(body)
    kind = "application/json"
    return visitor.http.post(CALLBACK, data=data, content_type=kind, headers=headers)


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("output", CALLBACKS)
def test_each_callback_says_to_each_visitor_what_the_table_says(
    world: World, output: str, who: str
) -> None:
    visitor, expected = world.visitors[who], CALLBACKS[output][WHO.index(who)]
    spec, headers = spec_of(world, output), visitor.headers()
    for value in JUNK:
        answer = fire(visitor, request_of(spec, value), **headers)
        assert answer.status_code in ({200, 204} if expected == 200 else {expected}), value
        assert "Something failed" not in answer.text, value
    for value in NEVER:
        answer = fire(visitor, request_of(spec, value), **headers)
        assert answer.status_code == (400 if expected == 200 else expected), value
    for wrong, body in misshapen(spec).items():
        answer = fire(visitor, body, **headers)
        assert answer.status_code == (400 if expected == 200 else expected), wrong


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("output", CALLBACKS)
def test_no_callback_is_fired_from_elsewhere(world: World, output: str, who: str) -> None:
    visitor, body = world.visitors[who], request_of(spec_of(world, output))
    known = who != "anonymous"
    foreign = {"Sec-Fetch-Site": "cross-site", **visitor.headers()}
    assert fire(visitor, body).status_code == (400 if known else 401)
    assert fire(visitor, body, **other(world, who).headers()).status_code == (400 if known else 401)
    assert fire(visitor, body, **foreign).status_code == (403 if known else 401)
    text = visitor.http.post(CALLBACK, data=json.dumps(body), content_type="text/plain")
    assert text.status_code == (400 if known else 401)


UNKNOWN: list[Any] = [
    *({}, [], "x", 7, None, {"output": None}, {"output": ["page.children"]}, {"output": {}}),
    *({"output": "nowhere.children"}, {"output": "__proto__"}, {"output": "..a.b...c.d.."}),
    {"output": "address.data", "inputs": [], "outputs": []},  # runs in the browser
    {"output": "x" * 100_000},
]


@pytest.mark.parametrize("who", WHO)
def test_what_is_no_callback_is_told_so(world: World, who: str) -> None:
    visitor = world.visitors[who]
    expected = 401 if who == "anonymous" else 400
    for body in UNKNOWN:
        assert fire(visitor, body, **visitor.headers()).status_code == expected, body
    raw = (b"", b"{", b"\xff\xfe", b"null", b'{"output":"\xff"}', b"[" * 20)
    for data in raw:
        answer = visitor.http.post(
            CALLBACK, data=data, content_type="application/json", headers=visitor.headers()
        )
        assert answer.status_code in (expected, 400), data


# -- what nobody guards ----------------------------------------------------------------------------


def unguarded_callback(app: Dash, services: object) -> None:
    app.callback(Output("page", "title"), Input("title", "data"))(lambda data: data)


def unguarded_route(app: Dash, services: object) -> None:
    app.server.add_url_rule("/planted", "planted", lambda: "open")


@pytest.mark.parametrize(
    ("plant", "named"),
    [(unguarded_callback, "the callback of page.title"), (unguarded_route, "the route /planted")],
)
def test_the_application_does_not_start_with_what_nobody_guards(
    monkeypatch: pytest.MonkeyPatch, plant: Any, named: str
) -> None:
    page = registry.Page("/planted-page", "P", "P", "help", lambda *_: html.Div(), plant)
    monkeypatch.setattr(dashboard, "PAGES", (*PAGES, page))
    with pytest.raises(ConfigurationError, match=named):
        create_app(load_settings(), "postgresql://me@127.0.0.1:1/none")


# -- sessions -------------------------------------------------------------------------------------


def test_what_is_no_session_any_more_opens_nothing(world: World) -> None:
    """After signing out, a change of role, a disabled account, a forged or foreign token."""
    visitor = Visitor(world.app.server)
    visitor.sign_in("vera")
    kept = visitor.session or ""
    assert kept and visitor.get("/help").status_code == 200
    visitor.sign_out()
    forged = [kept, kept[::-1], "", "x", kept + "x", "a" * 43, "\u2603" * 43, "%00" * 20]
    for value in forged:
        late = Visitor(world.app.server)
        late.http.set_cookie("session", value)
        assert late.get("/_dash-layout").status_code == 401, value
        assert fire(late, request_of(spec_of(world, "page.children"))).status_code == 401


def test_an_account_that_is_disabled_or_demoted_feels_it_at_once(world: World) -> None:
    visitor = Visitor(world.app.server)
    world.people.add("dora", "analyst")
    visitor.sign_in("dora")
    assert visitor.get("/help").status_code == 200
    world.people.run("UPDATE users SET disabled_at = now() WHERE subject = 'dora'")
    assert visitor.get("/help").status_code == 302
    assert fire(visitor, request_of(spec_of(world, "page.children"))).status_code == 401
