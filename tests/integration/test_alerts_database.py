"""The alert engine's tables: one leader, state and messages in one transaction, leases, order."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from mltrading.adapters.postgres.alert_outbox import PostgresOutbox
from mltrading.adapters.postgres.alert_signs import PostgresWebSigns
from mltrading.adapters.postgres.alerts import PostgresAlerts
from mltrading.adapters.postgres.pool import Database
from mltrading.domain.alerting.silences import Silence, parse_matchers
from mltrading.domain.alerting.states import State
from mltrading.domain.alerting.turns import Book, Changes, Event
from mltrading.errors import DatabaseUnavailable
from mltrading.services.ports.alerts import Kept, Spooled
from mltrading.services.ports.audit import AuditEvent
from mltrading.utils.message import DELIVERED, Outcome
from tests.alerts_made import KINDS, MAIL, PAGER, SLACK, firing, make_alert, queued, told

pytestmark = pytest.mark.database

Sql = Callable[[str], list[tuple[object, ...]]]
MINUTE = timedelta(minutes=1)


@pytest.fixture
def store(database: Database) -> PostgresAlerts:
    alerts = PostgresAlerts(database)
    assert alerts.lead("me", 60) is not None
    return alerts


@pytest.fixture
def outbox(database: Database) -> PostgresOutbox:
    return PostgresOutbox(database)


def keep(store: PostgresAlerts, **changes: object) -> None:
    """Write what a turn would lead to."""
    wanted = Changes(**changes)  # type: ignore[arg-type]
    assert store.turn("me", lambda book, now: wanted) is wanted


def leased(outbox: PostgresOutbox, **busy: object) -> list[str]:
    found = outbox.lease(KINDS, busy.get("busy", ()), 60)  # type: ignore[arg-type]
    return [one.queued.message.id for one in found]


def test_one_leads_at_a_time_and_another_when_it_is_gone(database: Database, sql: Sql) -> None:
    store = PostgresAlerts(database)
    with ThreadPoolExecutor(4) as pool:
        names = [f"worker{number}" for number in range(8)]
        moments = list(pool.map(lambda name: store.lead(name, 60), names))
    [leader] = [name for name, moment in zip(names, moments, strict=True) if moment is not None]
    assert store.lead(leader, 60) is not None
    assert store.lead("other", 60) is None
    sql("UPDATE alert_leader SET until = now()")
    assert store.lead("other", 60) is not None
    assert store.lead(leader, 60) is None


def test_one_that_leads_no_more_changes_nothing(store: PostgresAlerts, sql: Sql) -> None:
    sql("UPDATE alert_leader SET until = now()")

    def decide(book: Book, now: datetime) -> Changes:
        raise AssertionError("it must not be asked")

    assert store.turn("me", decide) is None
    assert store.turn("other", decide) is None


def test_what_a_turn_keeps_is_what_the_next_finds(store: PostgresAlerts) -> None:
    [(alert, told_of)] = [
        (one, told(one, MAIL)) for one in [firing(labels=(("channel", "slack #ä"),))]
    ]
    pending = make_alert("MemoryHigh", state=State.PENDING, severity="warning", errors=2)
    message = queued(MAIL, alert.key)
    event = Event(alert.fired_at or datetime.min, *_about(alert), "fired", "said")
    keep(store, alerts=(alert, pending), told=(told_of,), messages=(message,), events=(event,))
    book, _ = store.book()
    assert book.alerts == {alert.key: alert, pending.key: pending}
    assert book.told == (told_of,)
    assert book.waiting == {(alert.key, MAIL)}
    assert store.events(event.at, 10) == [event]
    assert store.events(event.at + MINUTE, 10) == []
    keep(store, told=())
    book, _ = store.book()
    assert (book.told, len(book.alerts)) == ((), 2)


def _about(alert: object) -> tuple[str, str, tuple[tuple[str, str], ...], str]:
    return alert.key, alert.rule, alert.labels, alert.severity  # type: ignore


def test_state_and_messages_are_kept_together_or_not_at_all(
    store: PostgresAlerts, sql: Sql
) -> None:
    message = queued()
    keep(store, messages=(message,))
    changes = Changes(alerts=(firing(),), messages=(queued(), message))  # an id that is there
    with pytest.raises(DatabaseUnavailable, match="duplicate key"):
        store.turn("me", lambda book, now: changes)
    assert store.book()[0].alerts == {}
    assert sql("SELECT count(*) FROM alert_outbox") == [(1,)]


def test_a_database_that_refuses_what_alerts_need_counts_as_away(
    store: PostgresAlerts, outbox: PostgresOutbox, sql: Sql
) -> None:
    sql("DROP TABLE alert_leader, alert_outbox")
    for act in (
        lambda: store.lead("me", 60),
        store.book,
        lambda: outbox.lease(KINDS, (), 60),
    ):
        with pytest.raises(DatabaseUnavailable, match="refuses what alerts need"):
            act()


def test_a_message_is_leased_to_one_of_many(store: PostgresAlerts, database: Database) -> None:
    messages = tuple(queued(key=f"key{number}") for number in range(20))
    keep(store, messages=messages)
    outbox = PostgresOutbox(database)
    with ThreadPoolExecutor(6) as pool:
        taken = sum(pool.map(lambda _: leased(outbox), range(40)), [])
    assert sorted(taken) == sorted(one.message.id for one in messages)


def test_each_receiver_gets_its_oldest_message_first_and_one_at_a_time(
    store: PostgresAlerts, outbox: PostgresOutbox
) -> None:
    first, second, mail, page = queued(SLACK, "a"), queued(SLACK, "b"), queued(MAIL), queued(PAGER)
    keep(store, messages=(first, second, mail, page))
    assert leased(outbox, busy={PAGER}) == [first.message.id, mail.message.id]
    assert leased(outbox) == [second.message.id, page.message.id]
    assert leased(outbox) == []
    assert outbox.lease({"email"}, (), 60) == []


def test_an_end_does_not_overtake_its_beginning(
    store: PostgresAlerts, outbox: PostgresOutbox
) -> None:
    begin = queued(PAGER, "a")
    end = queued(PAGER, "a", opens=begin.message.id, resolved=True)
    other = queued(PAGER, "b")
    keep(store, messages=(begin, end, other))
    [one] = outbox.lease(KINDS, (), 60)
    assert one.queued == begin
    assert leased(outbox) == [other.message.id]
    outbox.finish(one, Outcome("retry", "busy"), 3_600)
    assert leased(outbox) == []  # it waits for its next attempt, and so does the end
    again = outbox.lease(KINDS, (), 60)
    assert again == []


def test_the_end_of_what_never_arrived_is_dropped(
    store: PostgresAlerts, outbox: PostgresOutbox, sql: Sql
) -> None:
    begin, mail = queued(PAGER, "a"), queued(MAIL, "a")
    ends = [
        queued(one.destination, "a", opens=one.opened_id, resolved=True) for one in (begin, mail)
    ]
    keep(store, messages=(begin, mail, *ends))
    for one in outbox.lease(KINDS, (), 60):
        lost = one.queued == begin
        outbox.finish(one, Outcome("dead", "answered 400") if lost else DELIVERED, 0)
    assert leased(outbox) == [ends[1].message.id]
    assert sql("SELECT id, state, reason FROM alert_outbox WHERE state IN ('dead', 'dropped')") == [
        (begin.message.id, "dead", "answered 400"),
        (ends[0].message.id, "dropped", "what it ends never arrived there"),
    ]


def test_an_end_is_sent_where_a_repetition_arrived_after_a_beginning_that_was_lost(
    store: PostgresAlerts, outbox: PostgresOutbox
) -> None:
    begin = queued(SLACK, "a")
    keep(store, messages=(begin,))
    outbox.finish(outbox.lease(KINDS, (), 60)[0], Outcome("dead", "answered 404"), 0)
    repeat = queued(SLACK, "a", opens=begin.opened_id)
    keep(store, messages=(repeat,))
    outbox.finish(outbox.lease(KINDS, (), 60)[0], DELIVERED, 0)
    end = queued(SLACK, "a", opens=begin.opened_id, resolved=True)
    keep(store, messages=(end,))
    assert leased(outbox) == [end.message.id]


def test_a_lease_that_ended_is_taken_over_and_the_late_one_changes_nothing(
    store: PostgresAlerts, outbox: PostgresOutbox, sql: Sql
) -> None:
    keep(store, messages=(queued(),))
    [late] = outbox.lease(KINDS, (), 60)
    assert leased(outbox) == []
    sql("UPDATE alert_outbox SET leased_until = now()")
    [taken] = outbox.lease(KINDS, (), 60)
    assert (late.attempt, taken.attempt) == (1, 2)
    outbox.finish(late, Outcome("dead", "late"), 0)
    outbox.finish(late, Outcome("retry", "late"), 0)
    assert sql("SELECT state, attempts, reason FROM alert_outbox") == [("waiting", 2, "")]
    outbox.finish(taken, DELIVERED, 0)
    outbox.finish(late, Outcome("retry", "late"), 0)
    assert sql("SELECT state, reason FROM alert_outbox") == [("delivered", "")]


def test_what_failed_waits_for_its_pause(
    store: PostgresAlerts, outbox: PostgresOutbox, sql: Sql
) -> None:
    keep(store, messages=(queued(),))
    [one] = outbox.lease(KINDS, (), 60)
    outbox.finish(one, Outcome("retry", "answered 429"), 120)
    assert leased(outbox) == []
    [(pause, reason)] = sql(
        "SELECT extract(epoch FROM leased_until - now())::int, reason FROM alert_outbox"
    )
    assert 110 <= pause <= 120  # type: ignore[operator]
    assert reason == "answered 429"


def test_a_message_is_given_up_after_a_day_even_where_nobody_could_send_it(
    store: PostgresAlerts, outbox: PostgresOutbox, sql: Sql
) -> None:
    keep(store, messages=(queued(SLACK), queued(MAIL)))
    [slack, _] = outbox.lease(KINDS, (), 60)
    outbox.finish(slack, Outcome("retry", "answered 503"), 0)
    sql("UPDATE alert_outbox SET created_at = now() - interval '86399 s', leased_until = now()")
    assert len(outbox.lease({"slack"}, (), 0)) == 1
    sql("UPDATE alert_outbox SET created_at = now() - interval '86401 s', leased_until = now()")
    assert outbox.lease({"webhook"}, (), 60) == []
    assert sql("SELECT state, reason FROM alert_outbox ORDER BY seq") == [
        ("dead", "given up after a day: answered 503"),
        ("dead", "given up after a day: nobody could send it"),
    ]


def test_a_channel_is_in_trouble_from_a_lost_message_until_one_arrives(
    store: PostgresAlerts, outbox: PostgresOutbox, sql: Sql
) -> None:
    keep(store, messages=(queued(SLACK, "a"), queued(SLACK, "b"), queued(SLACK, "c"), queued(MAIL)))
    for reason in ("answered 404", "answered 410"):
        [slack] = [one for one in outbox.lease({"slack"}, (), 60)]
        outbox.finish(slack, Outcome("dead", reason), 0)
    [trouble] = store.book()[0].troubles
    assert trouble.said == "slack #critical: 2 messages lost: answered 410"
    assert [(one.destination, one.waiting, one.dead) for one in store.queue()] == [
        (MAIL, 1, 0),
        (SLACK, 1, 2),
    ]
    outbox.finish(outbox.lease({"slack"}, (), 60)[0], DELIVERED, 0)
    assert store.book()[0].troubles == ()
    sql("UPDATE alert_outbox SET state = 'dead', finished_at = now() - interval '25 h'")
    assert store.book()[0].troubles == ()


def test_a_message_that_waits_for_long_is_trouble_too(
    store: PostgresAlerts, outbox: PostgresOutbox, sql: Sql
) -> None:
    keep(store, messages=(queued(MAIL),))
    sql("UPDATE alert_outbox SET created_at = now() - interval '20 min'")
    assert store.book()[0].troubles == ()  # nobody tried
    outbox.finish(outbox.lease(KINDS, (), 60)[0], Outcome("retry", "no answer"), 60)
    [trouble] = store.book()[0].troubles
    assert trouble.said == "email oncall@company.com: a message waits since 20 min: no answer"


def spooled(**fields: object) -> Spooled:
    return Spooled("session1", **fields)  # type: ignore[arg-type]


def test_what_was_sent_without_the_database_is_taken_over_once(
    store: PostgresAlerts, outbox: PostgresOutbox, sql: Sql
) -> None:
    at = store.book()[1]
    alert = firing("DatabaseDown", at)
    sent, waiting = queued(PAGER, alert.key), queued(SLACK, alert.key)
    away = spooled(
        alerts={alert.key: alert},
        told=(told(alert, PAGER, sent.opened_id), told(alert, SLACK, waiting.opened_id)),
        messages=(
            Kept(sent, at, "delivered", 1),
            Kept(waiting, at, "waiting", 3, "answered 503"),
        ),
        events=(Event(at, *_about(alert), "fired", "x"),),
    )
    assert store.adopt(away)
    assert not store.adopt(away)
    book, now = store.book()
    kept = book.alerts[alert.key]
    assert (kept.open, kept.fired_at, kept.evaluated_at) == (
        True,
        alert.fired_at,
        kept.evaluated_at,
    )
    assert kept.evaluated_at is not None and now - kept.evaluated_at < MINUTE
    assert {(one.destination, one.opened_id) for one in book.told} == {
        (PAGER, sent.opened_id),
        (SLACK, waiting.opened_id),
    }
    assert sql("SELECT count(*) FROM alert_events") == [(1,)]
    [one] = outbox.lease(KINDS, (), 60)
    assert (one.queued, one.attempt) == (waiting, 4)
    assert sql("SELECT state FROM alert_outbox ORDER BY seq") == [("delivered",), ("waiting",)]


def test_no_moment_of_a_machine_whose_clock_was_ahead_lies_in_the_future(
    store: PostgresAlerts,
) -> None:
    ahead = store.book()[1] + timedelta(hours=2)
    alert = firing("DatabaseDown", ahead)
    store.adopt(spooled(alerts={alert.key: alert}, messages=(Kept(queued(), ahead),)))
    book, now = store.book()
    kept = book.alerts[alert.key]
    assert all(
        moment is not None and moment <= now
        for moment in (kept.fired_at, kept.true_at, kept.pending_since, kept.evaluated_at)
    )


def test_what_both_would_tell_is_told_once(
    store: PostgresAlerts, outbox: PostgresOutbox, sql: Sql
) -> None:
    alert = firing("AppDown")
    waiting, direct = queued(PAGER, alert.key), queued(PAGER, alert.key)
    keep(store, alerts=(alert,), told=(told(alert, PAGER, waiting.opened_id),), messages=(waiting,))
    store.adopt(
        spooled(
            alerts={alert.key: alert},
            told=(told(alert, PAGER, direct.opened_id),),
            messages=(Kept(direct, alert.fired_at or datetime.min, "delivered", 1),),
        )
    )
    assert leased(outbox) == []
    end = queued(PAGER, alert.key, opens=direct.opened_id, resolved=True)
    keep(store, messages=(end,))
    assert leased(outbox) == [end.message.id]


def test_an_end_that_was_told_directly_is_not_told_again(store: PostgresAlerts) -> None:
    alert = firing("AppDown")
    keep(store, alerts=(alert,), told=(told(alert, PAGER), told(alert, MAIL)))
    over = firing("AppDown", state=State.RESOLVED, resolved_at=alert.fired_at)
    end = queued(PAGER, alert.key, opens="first", resolved=True)
    store.adopt(
        spooled(
            alerts={alert.key: over},
            messages=(Kept(end, alert.fired_at or datetime.min, "delivered", 1),),
        )
    )
    book, _ = store.book()
    assert not book.alerts[alert.key].open
    assert [one.destination for one in book.told] == [MAIL]  # the next turn tells them


def make_silence(silence_id: str, now: datetime) -> Silence:
    until = now + timedelta(hours=1)
    return Silence(silence_id, parse_matchers("rule=Memory*"), "console", "why", now, until)


def audited(one: Silence) -> AuditEvent:
    return AuditEvent("alerts.silence", "console", target=one.id, details={"matchers": one.text})


def test_a_silence_and_its_row_of_the_trail_are_kept_together(
    store: PostgresAlerts, sql: Sql
) -> None:
    made = store.add_silence(make_silence, audited)
    assert store.book()[0].silences == (made,)
    end = AuditEvent("alerts.unsilence", "console", target=made.id)
    assert store.end_silence(made.id, end)
    assert not store.end_silence(made.id, end)
    assert not store.end_silence("7; DROP TABLE alerts", end)
    assert store.book()[0].silences == ()
    assert sql("SELECT action, target, details FROM audit ORDER BY seq") == [
        ("alerts.silence", made.id, '{"matchers": "rule=Memory*"}'),
        ("alerts.unsilence", made.id, "{}"),
    ]


def test_a_silence_that_can_not_be_audited_is_not_kept(store: PostgresAlerts, sql: Sql) -> None:
    sql("DROP TABLE audit CASCADE")
    with pytest.raises(DatabaseUnavailable):
        store.add_silence(make_silence, audited)
    assert store.book()[0].silences == ()


def test_old_history_goes_and_open_incidents_keep_their_messages(
    store: PostgresAlerts, outbox: PostgresOutbox, sql: Sql
) -> None:
    alert = firing()
    mine, old, new = queued(SLACK, alert.key), queued(MAIL, "b"), queued(PAGER, "c")
    event = Event(alert.fired_at or datetime.min, *_about(alert), "fired", "x")
    keep(
        store,
        alerts=(alert, make_alert("Gone")),
        told=(told(alert, SLACK, mine.opened_id),),
        messages=(mine, old, new),
        events=(event,),
    )
    for one in outbox.lease(KINDS, (), 60):
        outbox.finish(one, DELIVERED, 0)
    sql(f"""UPDATE alert_outbox SET finished_at = now() - interval '31 d'
        WHERE id <> '{new.message.id}'""")
    sql("UPDATE alert_events SET at = now() - interval '401 d'")
    sql("UPDATE alerts SET evaluated_at = now() - interval '31 d'")
    store.tidy()
    assert sql("SELECT id FROM alert_outbox ORDER BY seq") == [
        (mine.message.id,),
        (new.message.id,),
    ]
    assert sql("SELECT rule FROM alerts") == [("ErrorRateHigh",)]
    assert sql("SELECT count(*) FROM alert_events") == [(0,)]


def test_signs_of_life_are_those_of_processes_that_serve_pages(
    database: Database, store: PostgresAlerts, sql: Sql
) -> None:
    signs, (_, now) = PostgresWebSigns(database), store.book()
    sample = """INSERT INTO web_samples (at, kind, instance, process, seconds, requests, errors_5xx,
        shed_503, slow, static_requests, health_requests, callbacks, callback_errors, latency,
        latency_seconds, database_failures, pool_in_use, pool_waits, pool_wait_seconds,
        login_failures, rate_limited{}) VALUES (now(), '{}', 'a', 1, 15, {}, '{{}}', {}{})"""
    columns = {
        name
        for (name,) in sql(
            "SELECT column_name FROM information_schema.columns" " WHERE table_name = 'web_samples'"
        )
    }
    more, value = (", refused", ", 0") if "refused" in columns else ("", "")
    sql(sample.format(more, "worker", "0, " * 7 + "0", "0, " * 6 + "0", value))
    later = now + MINUTE
    assert not signs.seen(300, later)
    sql(sample.format(more, "web", "0, " * 7 + "0", "0, " * 6 + "0", value))
    assert signs.seen(300, later)
    assert not signs.seen(300, later + timedelta(hours=1))
