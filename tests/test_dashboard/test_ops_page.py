"""The Ops page over HTTP, on a real database: what each section says of what was kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mltrading.adapters.budgets import read_budgets
from mltrading.adapters.postgres.operations import PostgresDeployments, PostgresJobRuns
from mltrading.adapters.postgres.sample_book import PostgresSampleBook
from mltrading.dashboard.markup import Node
from mltrading.dashboard.pages import PAGES
from mltrading.dashboard.pages.ops_frame import SECTIONS
from mltrading.services.ports.operations import Batch, LogRecord, Sample, Timing, Usage
from tests.callback_client import Answer
from tests.signed_app import SignedApp, drawn, signed_app
from tests.test_services.operations_made import counts
from tests.visitors import Visitor

SAMPLE = Sample("web", "web.1", 7, 15.0, requests=100, errors_5xx=25, latency=counts(*[0.15] * 100))
SAMPLE_COLUMNS = ", ".join(one.name for one in fields(Sample))
HOSTILE = "<img src=x onerror=alert(1)>"
KEYS = {
    "/ops": "ops",
    "/ops/latency": "ops-latency",
    "/ops/log": "ops-log",
    "/ops/deployments": "ops-deployments",
    "/ops/usage": "ops-usage",
}


@pytest.fixture(scope="module")
def empty(server_url: str, template: str) -> Iterator[SignedApp]:
    """Where nothing was ever measured."""
    with signed_app(server_url, template) as made:
        yield made


@pytest.fixture(scope="module")
def stranger(empty: SignedApp) -> Visitor:
    return empty.visitor("adam", "admin")


@pytest.fixture(scope="module")
def app(server_url: str, template: str) -> Iterator[SignedApp]:
    with signed_app(server_url, template) as made:
        yield made


@pytest.fixture(scope="module")
def admin(app: SignedApp) -> Visitor:
    return app.visitor("eve", "admin")


@pytest.fixture
def book(app: SignedApp) -> Iterator[PostgresSampleBook]:
    tables = "web_samples, web_hours, usage_hours, timing_hours, active_users, log_records"
    yield PostgresSampleBook(app.people.database)
    app.people.run(f"TRUNCATE {tables}, job_runs, job_plans, alerts, deployments, pipeline_metrics")


def asked(visitor: Visitor, path: str, search: str = "", tick: int | None = None) -> Answer:
    key = KEYS[path]
    values = {"address.data": {"path": path, "search": search, "n": 1}, f"{key}-tick.data": tick}
    changed = f"{key}-tick.data" if tick else "address.data"
    return visitor.callbacks.fire(f"{key}-parts.data", changed, **values)


def parts(visitor: Visitor, path: str, search: str = "") -> dict[str, str]:
    return drawn(asked(visitor, path, search), f"{KEYS[path]}-parts")


def rows(answer: Answer, path: str, table: str) -> list[list[str]]:
    """The cells of a table's body, each as its texts."""
    [found] = [one for one in _all(answer[f"{KEYS[path]}-parts.data"]) if one[1].get("id") == table]
    body = found[-1]
    return [["".join(_texts(cell)) for cell in row[2:]] for row in body[2:]]


def _all(node: Any) -> Iterator[list[Any]]:
    if isinstance(node, dict):
        node = list(node.values())
    if isinstance(node, list):
        if len(node) > 1 and isinstance(node[1], dict):
            yield node
        for child in node:
            yield from _all(child)


def _texts(node: Node) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    else:
        for child in node[2:]:
            yield from _texts(child)


# -- where nothing was measured -------------------------------------------------------------------


def test_what_was_never_measured_is_said_and_is_no_zero(stranger: Visitor) -> None:
    now = parts(stranger, "/ops", "?range=1h")
    assert (
        now["ops-figures"].split()
        == (
            "Requests not known Failed not known Half within not known 95 of 100 within not known"
            " Over 10 s not known Turned away, 503 not known Waits for a connection not known"
            " Database lost not known Most memory not known"
        ).split()
    )
    assert "no rule was looked at yet" in now["ops-state"]
    assert "no worker has looked" in now["ops-jobs"]
    assert "no process handed over numbers" in now["ops-processes"]
    assert "nothing was used" in parts(stranger, "/ops/latency")["ops-slowest"]
    assert "No line of that kind" in parts(stranger, "/ops/log")["ops-lines"]
    deployed = parts(stranger, "/ops/deployments")
    assert "None is recorded" in deployed["ops-deployments"]
    assert "Not known" in deployed["ops-pipeline"]
    usage = parts(stranger, "/ops/usage")
    assert "Page: not known" in usage["ops-used"]
    assert "no browser has reported" in usage["ops-experience"]


def test_charts_of_nothing_say_so(stranger: Visitor) -> None:
    for path in ("/ops", "/ops/latency", "/ops/usage"):
        answer = asked(stranger, path)
        figures = [props["figure"] for props in answer.props.values() if "figure" in props]
        assert figures
        assert all("nothing was measured" in json.dumps(figure) for figure in figures)


def test_a_day_that_nobody_measured_is_beside_another_not_known(stranger: Visitor) -> None:
    answer = asked(stranger, "/ops/usage")
    for name, now, before, change in rows(answer, "/ops/usage", "ops-trends-table"):
        assert (now, before, change) == ("not known", "not known", "—"), name


# -- now -------------------------------------------------------------------------------------------


def test_what_happened_in_the_span_is_summed(admin: Visitor, book: PostgresSampleBook) -> None:
    for process in (7, 8):
        book.keep(Batch(replace(SAMPLE, process=process, pool_waits=3, memory_share=0.9)))
    said = parts(admin, "/ops", "?range=1h")["ops-figures"]
    assert "Requests 200 Failed 25%" in said
    assert "Half within 150 ms" in said
    assert "Waits for a connection 6" in said
    assert "Most memory 90%" in said


def test_what_is_bad_stands_out(admin: Visitor, book: PostgresSampleBook) -> None:
    book.keep(Batch(SAMPLE))
    stats = [
        ("".join(_texts(one[2])), "is-bad" in one[1]["class"])
        for one in _all(asked(admin, "/ops", "?range=1h")["ops-parts.data"]["ops-figures"])
        if "ops-stat" in one[1].get("class", "").split()
    ]
    assert [name for name, bad in stats if bad] == ["Failed"]


def test_the_chosen_span_is_what_is_shown(
    app: SignedApp, admin: Visitor, book: PostgresSampleBook
) -> None:
    book.keep(Batch(SAMPLE))
    app.people.run("UPDATE web_samples SET at = at - interval '3 hours'")
    assert "Requests not known" in parts(admin, "/ops", "?range=1h")["ops-figures"]
    assert "Requests 100" in parts(admin, "/ops")["ops-figures"]
    assert "Requests 100" in parts(admin, "/ops", "?range=no+such")["ops-figures"]


@pytest.mark.parametrize("name", ["1h", "24h", "7d", "30d"])
def test_a_chart_has_few_points_however_long_the_span(
    app: SignedApp, admin: Visitor, book: PostgresSampleBook, name: str
) -> None:
    book.keep(Batch(SAMPLE))
    app.people.run(
        f"INSERT INTO web_samples (at, {SAMPLE_COLUMNS}) SELECT at - make_interval(secs => 20 * n),"
        f" {SAMPLE_COLUMNS} FROM web_samples, generate_series(1, 5000) AS n"
    )
    app.people.run(
        "INSERT INTO web_hours SELECT hour - make_interval(hours => n), samples, requests, refused,"
        " errors, shed_503, slow, callbacks, latency, latency_seconds, database_failures,"
        " pool_in_use, pool_waits, pool_wait_seconds, login_failures, rate_limited, memory_share,"
        " cpu_share, disk_free_share, newest FROM web_hours, generate_series(1, 800) AS n"
    )
    answer = asked(admin, "/ops", f"?range={name}")
    [line] = answer["ops-requests-chart.figure"]["data"]
    assert 25 <= len(line["x"]) <= 200


def test_jobs_are_told_with_their_last_and_next_time(
    app: SignedApp, admin: Visitor, book: PostgresSampleBook
) -> None:
    runs = PostgresJobRuns(app.people.database)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    runs.claim("digest", "slack", today, 60)
    runs.finish("digest", "slack", today, 1, "delivered")
    runs.plan("digest", datetime(2099, 1, 2, 8, tzinfo=UTC))
    runs.plan("retention", datetime(2020, 1, 2, 3, tzinfo=UTC))
    found = rows(asked(admin, "/ops"), "/ops", "ops-jobs-table")
    assert found[0] == ["retention", "—", "overdue", "—", "2020-01-02 03:00", ""]
    assert found[1][:3] == ["digest", "slack", "done"]
    assert found[1][4:] == ["2099-01-02 08:00", "delivered"]


def test_alerts_are_told_in_short_with_the_way_to_them(
    app: SignedApp, admin: Visitor, book: PostgresSampleBook
) -> None:
    app.people.run(
        "INSERT INTO alerts (key, rule, labels, severity, state, said, errors, muted_by,"
        " evaluated_at) VALUES ('a', %s, '{}', 'critical', 'firing', '', 0, '', now()),"
        " ('b', 'CpuHigh', '{}', 'warning', 'pending', '', 0, '', now())",
        (HOSTILE,),
    )
    answer = asked(admin, "/ops")
    said = drawn(answer, "ops-parts")["ops-state"]
    assert f"1 firing  ({HOSTILE}), 1 pending" in said
    assert "/ops/alerts" in json.dumps(answer["ops-parts.data"]["ops-state"])


def test_processes_are_told_with_their_memory(admin: Visitor, book: PostgresSampleBook) -> None:
    book.keep(Batch(replace(SAMPLE, rss_bytes=187_000_000, pool_in_use=3)))
    [row] = rows(asked(admin, "/ops"), "/ops", "ops-processes-table")
    assert row[:4] == ["web 7", "web.1", "187 MB", "3"]


# -- latency ---------------------------------------------------------------------------------------


def test_the_slowest_is_first_and_shown_by_the_hour(
    admin: Visitor, book: PostgresSampleBook
) -> None:
    usage = [
        Usage("route", "/charts", 2, 1, 0.3, counts(0.15, 0.15)),
        Usage("callback", "chart-answer.data", 1, 0, 4.0, counts(4.0)),
    ]
    book.keep(Batch(SAMPLE, usage))
    answer = asked(admin, "/ops/latency")
    found = rows(answer, "/ops/latency", "ops-slowest-table")
    assert [row[0] for row in found] == ["chart-answer.data", "/charts"]
    assert found[1] == ["/charts", "route", "150 ms", "195 ms", "2", "50%", "0.3 s"]
    assert answer["ops-one-chart.figure"]["data"][0]["y"] == [3500.0]
    named = asked(admin, "/ops/latency", "?kind=route&name=%2Fcharts")
    assert named["ops-one-chart.figure"]["data"][0]["y"] == [150.0]
    assert "route /charts" in drawn(named, "ops-latency-parts")["ops-one-name"]


@pytest.mark.parametrize("search", ["?kind=nothing&name=x", "?kind=route&name=%27%3B+DROP+TABLE"])
def test_a_name_that_is_not_there_is_a_chart_of_nothing(
    admin: Visitor, book: PostgresSampleBook, search: str
) -> None:
    answer = asked(admin, "/ops/latency", search)
    assert answer["ops-one-chart.figure"]["data"] == []


# -- the log ---------------------------------------------------------------------------------------

RECORD = LogRecord(
    datetime.now(UTC) - timedelta(minutes=5),
    "error",
    "mltrading.dashboard.edge",
    f"callback failed {HOSTILE}",
    request_id="0123456789abcdef",
    user="u3",
    route="/_dash-update-component",
    callback="chart-answer.data",
    status=200,
    duration_ms=12.5,
    error_id="89abcdef",
    exception="Traceback\n  in chart\nValueError: no bars",
)


def test_the_id_of_a_toast_finds_its_lines(admin: Visitor, book: PostgresSampleBook) -> None:
    other = replace(RECORD, level="warning", request_id="f" * 16, error_id="f" * 8, message="other")
    book.keep(Batch(SAMPLE, log=[RECORD, other]))
    for id in ("89abcdef", "0123456789abcdef"):
        said = parts(admin, "/ops/log", f"?id={id}")["ops-lines"]
        assert HOSTILE in said and "ValueError: no bars" in said and "user u3" in said
        assert "other" not in said
    assert "other" in parts(admin, "/ops/log")["ops-lines"]
    assert "other" not in parts(admin, "/ops/log", "?level=error")["ops-lines"]
    assert HOSTILE in parts(admin, "/ops/log", "?text=NO+BARS")["ops-lines"]
    assert "No line of that kind" in parts(admin, "/ops/log", "?text=nowhere")["ops-lines"]


def test_the_log_has_pages(admin: Visitor, book: PostgresSampleBook) -> None:
    lines = [replace(RECORD, message=f"line {n:03}", exception="") for n in range(60)]
    book.keep(Batch(SAMPLE, log=lines))
    first, second = (parts(admin, "/ops/log", f"?page={n}")["ops-lines"] for n in (1, 2))
    assert first.count("line 0") == 50 and "Older" in first and "Newer" not in first
    assert second.count("line 0") == 10 and "Newer" in second and "Older" not in second


@pytest.mark.parametrize(
    "search", ["?page=-1", "?page=9e9", "?level=%00", "?text=%00&id=%F0%9F%92"]
)
def test_a_search_that_can_not_be_is_answered(
    admin: Visitor, book: PostgresSampleBook, search: str
) -> None:
    assert asked(admin, "/ops/log", search).status == 200


def test_what_is_typed_into_is_not_drawn_again_by_itself(admin: Visitor) -> None:
    first = asked(admin, "/ops/log", "?text=abc")
    assert "ops-log-form" in first["ops-log-parts.data"]
    again = asked(admin, "/ops/log", "?text=abc", tick=1)
    assert set(again["ops-log-parts.data"]) == {"ops-lines", "ops-log-at"}
    assert "ops-log-range" not in again.props


# -- deployments and use --------------------------------------------------------------------------


def test_deployments_pipeline_and_switches(
    app: SignedApp, admin: Visitor, book: PostgresSampleBook
) -> None:
    PostgresDeployments(app.people.database).record("production", "0.5.0", "c" * 40, "v12")
    app.people.run(
        "INSERT INTO pipeline_metrics (name, value, unit, target, met) VALUES"
        " ('Build time', 6.2, 'min', '< 10 min', true), ('Pass rate', 99, '%%', '100 %%', false),"
        " ('Step', 41, 's', '', NULL)"
    )
    answer = asked(admin, "/ops/deployments")
    [deployed] = rows(answer, "/ops/deployments", "ops-deployments-table")
    assert deployed[1:] == ["production", "0.5.0", "v12", "c" * 12]
    kept = [row[:4] for row in rows(answer, "/ops/deployments", "ops-pipeline-table")]
    assert kept == [
        ["Build time", "6.2 min", "< 10 min", "met"],
        ["Pass rate", "99 %", "100 %", "not met"],
        ["Step", "41 s", "—", "not known"],
    ]
    flags = rows(answer, "/ops/deployments", "ops-flags-table")
    assert ["signing in", "on", "MLTRADING_AUTH"] in flags


def test_use_browsers_and_budgets(admin: Visitor, book: PostgresSampleBook) -> None:
    usage = [
        Usage("page", "/charts", 3, 0, 0.0, counts()),
        Usage("page", "/", 1, 0, 0.0, counts()),
        Usage("service", "market.compare", 2, 0, 0.0, counts()),
        Usage("service", "gone.verb", 1, 0, 0.0, counts()),
    ]
    timings = [
        Timing("/charts", "load", "", 2.0, counts(0.15, 0.15)),
        Timing("/charts", "paint", "", 8.0, counts(4.0, 4.0)),
        Timing("/charts", "callback", "a.data", 0.2, counts(0.15)),
        Timing("/charts", "callback", "b.data", 0.2, counts(0.15)),
    ]
    book.keep(Batch(SAMPLE, usage, timings, active=("u1", "u2")))
    answer = asked(admin, "/ops/usage")
    assert rows(answer, "/ops/usage", "ops-pages-table") == [
        ["Charts", "3", "75%"],
        ["Overview", "1", "25%"],
    ]
    asked_for = [row[:2] for row in rows(answer, "/ops/usage", "ops-services-table")]
    assert asked_for == [["Comparison", "2"], ["gone.verb", "1"]]
    [browser] = rows(answer, "/ops/usage", "ops-experience-table")
    assert browser == ["Charts", "175 ms", "175 ms", "4.25 s", "2", "0"]
    assert answer["ops-users-chart.figure"]["data"][0]["y"] == [2]
    budgets = {row[0]: row[1:4] for row in rows(answer, "/ops/usage", "ops-budgets-table")}
    assert set(budgets) == {one.name for one in read_budgets()}
    assert budgets["chart paint"] == ["4,250 ms", "1,000 ms", "not met"]
    assert budgets["page load"] == ["175 ms", "2,500 ms", "met"]
    assert budgets["failed answers"] == ["25 %", "1 %", "not met"]
    assert budgets["first load"] == ["not known", "1,300 kB", "not known"]


# -- the frame of the sections --------------------------------------------------------------------


def test_a_section_answers_its_own_address_alone(admin: Visitor) -> None:
    for path, key in KEYS.items():
        for there in KEYS:
            address = {"address.data": {"path": there, "search": "", "n": 1}}
            answer = admin.callbacks.fire(f"{key}-parts.data", "address.data", **address)
            assert answer.unchanged == (there != path)


def test_every_section_is_linked_and_there(admin: Visitor) -> None:
    known = {page.path for page in PAGES}
    assert set(KEYS) < set(SECTIONS) <= known
    for path in KEYS:
        address = {"address.data": {"path": path, "search": "?range=7d", "n": 1}}
        page = admin.callbacks.fire("page.children", "address.data", **address)["page.children"]
        text = json.dumps(page)
        assert all(f'"href": "{there}?range=7d"' in text for there in SECTIONS)
        assert text.count('"aria-current": "page"') == 1


def test_the_navigation_has_one_entry_for_administrators_alone(
    app: SignedApp, admin: Visitor
) -> None:
    layout = json.dumps(admin.get("/_dash-layout").get_json())
    assert layout.count('"href": "/ops"') == 2 and "/ops/log" not in layout
    other = app.visitor("olga", "analyst")
    assert '"/ops"' not in json.dumps(other.get("/_dash-layout").get_json())
    for path in KEYS:
        assert other.get(path).status_code == 403
        assert asked(other, path).status == 403
