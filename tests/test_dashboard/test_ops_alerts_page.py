"""The operators' page of alerts over HTTP, on a real database: what it shows, does and records."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mltrading.domain.alerting.rules import dedup_key
from mltrading.domain.alerting.states import State
from mltrading.domain.alerting.turns import Event
from tests.alert_tables import Engine
from tests.alerts_made import MAIL, PAGER, SLACK, firing, make_alert, queued, told
from tests.callback_client import Answer
from tests.signed_app import SignedApp, acts, drawn, said, signed_app
from tests.visitors import Visitor

HOUR = timedelta(hours=1)
EVIL = "<img src=x onerror=alert(1)>"
FILE = """channels:
  critical: [{slack: "#critical"}, {pagerduty: service-key}]
  warning: [{email: team@company.com}]
  info: [{slack: "#info"}]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("config")
    (found / "development.yml").write_text("environment: development\nmonitoring: {alerts: true}\n")
    (found / "alerting.yml").write_text(FILE)
    return found


@pytest.fixture(scope="module")
def app(server_url: str, template: str, folder: Path) -> Iterator[SignedApp]:
    secret = "https://hooks.slack.example/services/s3cret"
    with signed_app(
        server_url, template, MLTRADING_CONFIG=str(folder), SLACK_WEBHOOK=secret
    ) as made:
        yield made


@pytest.fixture(scope="module")
def admin(app: SignedApp) -> Visitor:
    return app.visitor("adam", "admin")


@pytest.fixture
def engine(app: SignedApp) -> Engine:
    return Engine(app.people.database)


def asked(
    visitor: Visitor, search: str = "", act: dict[str, Any] | None = None, *, tick: bool = False
) -> Answer:
    address = {"path": "/ops/alerts", "search": search, "n": 1}
    values = {
        "address.data": address,
        "ops-alerts-tick.data": 1 if tick else None,
        "ops-alerts-act.data": act and {**act, "n": 1},
    }
    changed = "ops-alerts-act" if act else "ops-alerts-tick" if tick else "address"
    return visitor.callbacks.fire("ops-alerts-parts.data", f"{changed}.data", **values)


def shown(visitor: Visitor, search: str = "", *, tick: bool = False) -> dict[str, str]:
    """The texts of each part."""
    texts = drawn(asked(visitor, search, tick=tick), "ops-alerts-parts")
    return {id.removeprefix("ops-alerts-"): text for id, text in texts.items()}


# -- whether anybody looks ------------------------------------------------------------------------


def test_a_healthy_list_is_empty_only_while_somebody_looks(admin: Visitor, engine: Engine) -> None:
    parts = shown(admin)
    assert "No worker evaluates, and none ever did" in parts["state"]
    assert "Nothing fires" not in parts["alerts"]
    assert parts["alerts"].count("Not known: nobody looks.") == 2
    engine.finds(alerts=(make_alert("MemoryHigh", evaluated_at=engine.now()),))
    parts = shown(admin)
    assert "No worker" not in parts["state"]
    assert "by web.1-77" in parts["state"]
    assert "Nothing fires." in parts["alerts"] and "Nothing is pending." in parts["alerts"]
    engine.ends()
    parts = shown(admin)
    assert "No worker evaluates. What is shown was true at" in parts["state"]
    assert "Nothing fires" not in parts["alerts"]
    assert "Not known: nobody looks." in parts["alerts"]
    assert "quiet when last looked at" in parts["rules"]


def test_a_worker_whose_evaluations_fail_is_one_that_looks(admin: Visitor, engine: Engine) -> None:
    old = engine.now() - HOUR
    broken = make_alert("MemoryHigh", state=State.ERROR, errors=3, evaluated_at=old, said="no disk")
    engine.finds(alerts=(broken,))
    parts = shown(admin)
    assert "No worker" not in parts["state"]
    assert "can not be judged no disk" in parts["alerts"]


# -- what is true ---------------------------------------------------------------------------------


def test_what_fires_is_shown_with_who_was_told_and_what_to_do(
    admin: Visitor, engine: Engine
) -> None:
    down = firing("AppDown", engine.now() - HOUR, said=f"it says {EVIL}")
    muted = firing("ErrorRateHigh", engine.now(), muted_by="AppDown")
    engine.finds(alerts=(down, muted), told=(told(down, SLACK), told(down, PAGER)))
    nodes = asked(admin)["ops-alerts-parts.data"]["ops-alerts-alerts"]
    text = shown(admin)["alerts"]
    assert "Firing: 2" in text
    assert f"it says {EVIL}" in text, "it is text, and whole"
    assert "pagerduty, slack #critical" in text
    assert "muted by AppDown" in text
    assert "docs/runbook.md#appdown" in text
    assert "(1 h)" in text
    links = [attribute["href"] for attribute in attributes(nodes) if "href" in attribute]
    assert f"/ops/alerts?silence={down.key}" in links


def test_what_fires_though_its_condition_has_cleared_says_until_when(
    admin: Visitor, engine: Engine
) -> None:
    since = engine.now() - timedelta(seconds=30)
    engine.finds(alerts=(firing("AppDown", engine.now(), false_since=since, said="it answers"),))
    over = since + timedelta(minutes=2)
    assert (
        f"it answers condition cleared at {since:%H:%M:%S}, over at {over:%H:%M:%S} UTC"
        in shown(admin)["alerts"]
    )


def test_what_is_pending_says_when_it_fires(admin: Visitor, engine: Engine) -> None:
    since = engine.now() - timedelta(minutes=5)
    pending = make_alert(
        "MemoryHigh", state=State.PENDING, severity="warning", pending_since=since,
        evaluated_at=engine.now(), said="91% of the memory is used",
    )  # fmt: skip
    engine.finds(alerts=(pending,))
    text = shown(admin)["alerts"]
    assert "Pending: 1" in text and "91% of the memory is used" in text
    assert f"{since + timedelta(minutes=15):%H:%M:%S}" in text


def attributes(node: Any) -> Iterator[dict[str, str]]:
    if isinstance(node, list):
        for child in node:
            if isinstance(child, dict):
                yield child
            yield from attributes(child)


# -- silences -------------------------------------------------------------------------------------


def test_an_alert_is_silenced_by_its_form_in_one_transaction_with_the_audit(
    app: SignedApp, admin: Visitor, engine: Engine
) -> None:
    alert = firing("MemoryHigh", engine.now(), severity="warning")
    engine.finds(alerts=(alert,))
    search = f"?silence={alert.key}"
    form = asked(admin, search)["ops-alerts-parts.data"]["ops-alerts-form"]
    [matchers] = [one["value"] for one in attributes(form) if one.get("name") == "matchers"]
    assert matchers == "rule=MemoryHigh"
    answer = asked(admin, search, _silence(matchers))
    assert answer["ops-alerts-parts.data"]["ops-alerts-form"] == []
    assert answer.side["goto"]["data"] == {"href": "/ops/alerts", "n": 1, "replace": True}
    text = shown(admin)["silences"]
    assert "Silenced: 1" in text and "adam@example.com" in text and "a bigger machine" in text
    [(subject, outcome, target, details)] = app.people.trail_of("alerts.silence")
    assert (subject, outcome) == ("adam", "done")
    assert "rule=MemoryHigh" in details and "bigger machine" not in details
    [(xmin,)] = app.people.run("SELECT xmin::text FROM alert_silences WHERE id = %s", (target,))
    assert app.people.run("SELECT count(*) FROM audit WHERE xmin::text = %s", (xmin,)) == [(1,)]


def _silence(matchers: str) -> dict[str, str]:
    reason = "a bigger machine is on its way"
    return {"do": "silence", "matchers": matchers, "span": "2h", "reason": reason}


def test_a_silence_is_ended_by_click_and_audited(
    app: SignedApp, admin: Visitor, engine: Engine
) -> None:
    asked(admin, act=_silence("AppDown"))
    [(number,)] = app.people.run("SELECT id::text FROM alert_silences")
    engine.finds(alerts=(firing("AppDown", engine.now(), muted_by=f"silence {number}"),))
    before = asked(admin)
    assert "1" in drawn(before, "ops-alerts-parts")["ops-alerts-silences"]
    nodes = before["ops-alerts-parts.data"]["ops-alerts-silences"]
    assert [one["silence"] for one in acts(nodes)] == [number]
    answer = asked(admin, act={"do": "unsilence", "silence": number})
    assert "Nothing is silenced." in drawn(answer, "ops-alerts-parts")["ops-alerts-silences"]
    assert app.people.trail_of("alerts.unsilence")[-1][:3] == ("adam", "done", number)
    again = asked(admin, act={"do": "unsilence", "silence": number})
    assert f"no silence '{number}' lasts" in said(again)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"matchers": ""}, "at least one matcher"),
        ({"matchers": "place=here"}, "is no matcher"),
        ({"span": "soon"}, "must be a span such as 30m"),
        ({"span": "31d"}, "at most 30 days"),
        ({"reason": " "}, "needs a reason"),
        ({"reason": "x" * 501}, "1 to 500 characters"),
        ({"do": "drop"}, "does not know"),
    ],
)
def test_what_is_no_silence_is_refused_and_the_form_stays(
    app: SignedApp, admin: Visitor, engine: Engine, changes: dict[str, str], reason: str
) -> None:
    answer = asked(admin, "?silence=new", {**_silence("AppDown"), **changes})
    assert reason in said(answer)
    assert "ops-alerts-parts" not in answer.props, "what was typed is still there"
    assert app.people.run("SELECT count(*) FROM alert_silences") == [(0,)]


def test_the_page_asks_again_every_15_seconds(admin: Visitor) -> None:
    address = {"path": "/ops/alerts", "search": "", "n": 1}
    answer = admin.callbacks.fire("page.children", "address.data", **{"address.data": address})
    props = answer["page.children"]["props"]
    assert (props["data-refresh"], props["data-every"]) == ("ops-alerts-tick", "15")


def test_a_tick_leaves_the_forms_alone(admin: Visitor, engine: Engine) -> None:
    search = "?silence=new"
    assert {"form", "filter"} <= set(shown(admin, search))
    assert not {"form", "filter"} & set(shown(admin, search, tick=True))


# -- what is sent ---------------------------------------------------------------------------------


def test_what_waits_and_what_was_given_up_is_told_by_channel(
    app: SignedApp, admin: Visitor, engine: Engine
) -> None:
    engine.finds(messages=(queued(SLACK), queued(SLACK), queued(MAIL), queued(PAGER)))
    app.people.run(
        "UPDATE alert_outbox SET state = 'dead', finished_at = now(), attempts = 1,"
        " reason = 'answered 400: no such key' WHERE kind = 'pagerduty'"
    )
    text = shown(admin)["sending"]
    assert "slack #critical critical 2 for up to" in text
    assert "email oncall@company.com nothing any more 1 for up to" in text
    assert "email team@company.com warning nothing" in text
    assert "Given up: the newest 1" in text and "answered 400: no such key" in text
    assert "skipped: PAGERDUTY_KEY is not set" in text
    assert "s3cret" not in str(asked(admin)["ops-alerts-parts.data"])


# -- history --------------------------------------------------------------------------------------


def test_history_is_newest_first_in_pages_and_by_rule(admin: Visitor, engine: Engine) -> None:
    def event(number: int) -> Event:
        name = "CpuHigh" if number % 2 else "DiskLow"
        at = engine.moment + timedelta(seconds=number)
        return Event(at, dedup_key("x", name), name, (), "warning", "fired", f"event {number:03}")

    engine.finds(events=tuple(event(number) for number in range(120)))

    def told_of(search: str) -> list[str]:
        words = shown(admin, search)["history"].split()
        return [words[at + 1] for at, word in enumerate(words) if word == "event"]

    assert told_of("") == [f"{number:03}" for number in range(119, 69, -1)]
    assert told_of("?page=3") == [f"{number:03}" for number in range(19, -1, -1)]
    assert told_of("?page=4") == []
    assert told_of("?rule=CpuHigh&page=2") == [f"{number:03}" for number in range(19, 0, -2)]
    assert told_of("?rule=NoSuch") == []
    assert "Older" in shown(admin)["history"] and "Newer" not in shown(admin)["history"]
    assert "Older" not in shown(admin, "?page=3")["history"]
    choices = shown(admin)["filter"]
    assert "CpuHigh" in choices and "MemoryHigh" in choices


@pytest.mark.parametrize(
    "search", ["?rule=%00", "?rule=%27%3B+DROP+TABLE", "?silence=%00", "?rule=%ED%A0%80", "?=&&="]
)
def test_a_hostile_address_finds_nothing_and_breaks_nothing(
    admin: Visitor, engine: Engine, search: str
) -> None:
    answer = asked(admin, search)
    assert (answer.status, said(answer)) == (200, "")


@pytest.mark.parametrize("page", ["0", "-1", "x", "9" * 30, "٣", "1e3"])
def test_a_page_that_can_not_be_is_the_first_or_the_last(
    admin: Visitor, engine: Engine, page: str
) -> None:
    assert asked(admin, f"?page={page}").status == 200


# -- the file -------------------------------------------------------------------------------------


def test_the_rules_in_force_and_whether_the_file_is_valid(
    admin: Visitor, engine: Engine, folder: Path
) -> None:
    parts = shown(admin)
    assert "alerting.yml is valid: 8 rules." in parts["rules"]
    assert "error_rate > 5% at once 2 min 20 requests in 5 min ErrorRateRaised" in parts["rules"]
    (folder / "alerting.yml").write_text(FILE + "rules:\n  X: {severity: grave, when: app_down}\n")
    try:
        parts = shown(admin)
        assert "alerting.yml is not valid. The last good one holds." in parts["state"]
        assert "line 6" in parts["state"]
        assert "The last good alerting.yml: 8 rules." in parts["rules"]
    finally:
        (folder / "alerting.yml").write_text(FILE)
    assert "not valid" not in shown(admin)["state"]


# -- who may --------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["viewer", "analyst"])
def test_nobody_else_sees_or_does_anything(app: SignedApp, engine: Engine, role: str) -> None:
    visitor = app.visitor(f"no-admin-{role}", role)
    assert visitor.get("/ops/alerts").status_code == 403
    assert asked(visitor).status == 403
    assert asked(visitor, act=_silence("AppDown")).status == 403
    assert app.people.run("SELECT count(*) FROM alert_silences") == [(0,)]
