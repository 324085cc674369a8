"""Traders' alerts on PostgreSQL: once a bar, in one transaction, to who may see it, and to nobody
else."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mltrading.adapters.postgres.alert_outbox import PostgresOutbox
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.postgres.price_watch import PostgresPriceWatch
from mltrading.adapters.postgres.writer import PostgresBarWriter
from mltrading.adapters.sources.files import LocalFiles
from mltrading.domain.access import CONSOLE, DEVELOPER, Role, Scope
from mltrading.domain.bars import DAY, Interval
from mltrading.domain.price_alerts.brake import Brake
from mltrading.errors import DatabaseUnavailable, Forbidden, InvalidAlert, UnknownSymbol
from mltrading.services.imports import Importer
from mltrading.services.ports import ReadOptions
from mltrading.services.price_alerts import MOST_ALERTS, WATCHED_SECONDS, Standing
from mltrading.services.price_words import MOST_BARS
from tests.factories import make_bars, make_sessions
from tests.price_alerts_made import CALENDARS, Desk, daily, wish
from tests.waiting import wait_until

pytestmark = pytest.mark.database

Sql = Callable[[str], list[tuple[object, ...]]]


@pytest.fixture
def desk(database: Database) -> Desk:
    made = Desk(database)
    made.arrive(daily(98, 99))
    return made


# -- once a bar ------------------------------------------------------------------------------------


def test_a_bar_that_arrives_is_told_once(desk: Desk) -> None:
    desk.alerts.add(DEVELOPER, "AAPL", wish())
    assert desk.look() == []
    desk.arrive(daily(98, 99, 101))
    [fired] = desk.look()
    assert (fired.bars, fired.mailed) == (1, False)
    assert desk.look() == [] and list(desk.new_watch().look()) == []
    assert desk.fired() == ["2026-05-06"]
    [notice] = desk.alerts.notices(DEVELOPER)
    assert notice.title == "AAPL 1d: Close crosses above 100"
    assert notice.text.splitlines() == [
        "Close crosses above 100: AAPL, AAPL Inc., 1d bars.",
        "2026-05-06: close 101 USD",
    ]
    assert not notice.read and desk.alerts.unread(DEVELOPER) == 1


def test_what_was_so_before_the_alert_was_made_is_not_told(desk: Desk) -> None:
    desk.arrive(daily(98, 99, 101, 99, 101))
    desk.alerts.add(DEVELOPER, "AAPL", wish())
    assert desk.look() == []
    desk.arrive(daily(98, 99, 101, 99, 101, 99, 101))
    assert [one.bars for one in desk.look()] == [1]
    assert desk.fired() == ["2026-05-12"]


def test_bars_that_arrived_while_no_worker_ran_are_told_in_one_message(desk: Desk) -> None:
    desk.alerts.add(DEVELOPER, "AAPL", wish())
    desk.look()
    desk.arrive(daily(98, 99, 101, 99, 101, 99, 101))
    [fired] = list(desk.new_watch().look())
    assert fired.bars == 3
    [text] = desk.texts()
    assert desk.fired() == ["2026-05-06", "2026-05-08", "2026-05-12"]
    assert [line.partition(":")[0] for line in text.splitlines()[1:]] == desk.fired()
    assert desk.alerts.notices(DEVELOPER)[0].title.endswith("(3 times)")


def test_a_bar_that_is_corrected_later_is_not_judged_again(desk: Desk) -> None:
    desk.alerts.add(DEVELOPER, "AAPL", wish())
    desk.arrive(daily(98, 99, 99.5, 99.6))
    assert desk.look() == []
    desk.arrive(daily(98, 99, 101, 99.6))
    assert desk.look() == [] and desk.fired() == []


def test_older_bars_that_are_added_are_not_judged(desk: Desk) -> None:
    desk.alerts.add(DEVELOPER, "AAPL", wish())
    desk.arrive(daily(99, 101, 99, 101, start="2026-04-06"))
    assert desk.look() == []


def test_bars_whose_adjusted_prices_have_another_base_are_not_judged_against_each_other(
    desk: Desk,
) -> None:
    older = daily(380, 381)
    desk.arrive(replace(older, adj_close=older.close / 4), "IBM")
    desk.alerts.add(DEVELOPER, "IBM", wish())
    desk.look()
    desk.arrive(daily(382, start="2026-05-06"), "IBM")
    assert desk.look() == [] and desk.fired() == []


def test_a_bar_counts_when_its_session_is_over_and_not_before(desk: Desk) -> None:
    desk.clock.moment = datetime(2026, 5, 6, 19, 59, tzinfo=UTC)  # New York closes at 20:00
    desk.alerts.add(DEVELOPER, "AAPL", wish())
    desk.arrive(daily(98, 99, 101))
    assert desk.look() == []
    desk.clock.wait(60)
    assert [one.bars for one in desk.look()] == [1]


def test_a_bar_that_its_source_may_still_change_does_not_count(desk: Desk) -> None:
    desk.alerts.add(DEVELOPER, "AAPL", wish())
    forming = replace(daily(98, 99, 101), is_final=np.array([True, True, False]))
    desk.arrive(forming)
    assert desk.look() == []
    desk.arrive(daily(98, 99, 99.5))
    assert desk.look() == []
    assert desk.fired() == []


def test_a_day_that_is_imported_after_its_close_is_told_the_same_evening(
    desk: Desk, database: Database, tmp_path: Path
) -> None:
    importer = Importer(LocalFiles(), PostgresBarWriter(database), desk.clock, CALENDARS)
    file = tmp_path / "aapl.csv"
    file.write_text(
        "Date,Open,High,Low,Close\n2026-05-05,99,99,99,99\n2026-05-06,101,101,101,101\n"
    )

    def imported_at(hour: int, minute: int) -> list[bool]:
        """Which of the two days are final once they were imported at that time, UTC."""
        desk.clock.moment = datetime(2026, 5, 6, hour, minute, tzinfo=UTC)
        importer.run(CONSOLE, [file], ReadOptions(now=0, symbol="AAPL"))
        rows = desk.people.run("SELECT is_final FROM bars_1d WHERE ts >= '2026-05-05' ORDER BY ts")
        return [bool(final) for (final,) in rows]

    desk.alerts.add(DEVELOPER, "AAPL", wish())
    assert imported_at(19, 0) == [True, False] and desk.look() == []
    desk.clock.wait(3 * 3_600)
    assert desk.look() == []  # what is stored may be of the afternoon
    assert imported_at(20, 5) == [True, True]
    assert [one.bars for one in desk.look()] == [1]


def test_an_hour_counts_when_its_last_minute_is_there(desk: Desk) -> None:
    minutes = make_bars(390, "2026-05-07T13:30", seed=3, price=50.0)
    desk.arrive(minutes[:60], "MIN", Interval.M1)
    desk.alerts.add(DEVELOPER, "MIN", wish("close above 1", interval=Interval.H1))

    def seen(count: int) -> str:
        """The newest hour that was judged once so many minutes are there."""
        desk.arrive(minutes[:count], "MIN", Interval.M1)
        desk.look()
        [(ts,)] = desk.people.run("SELECT seen_ts FROM price_alerts")
        return f"{ts.astimezone(UTC):%H:%M}"

    assert seen(60) == "13:00"  # minutes to 14:30
    assert seen(89) == "13:00"
    assert seen(90) == "14:00"  # to 15:00
    assert seen(149) == "14:00"
    assert seen(151) == "15:00"


def test_a_week_counts_with_its_last_session(desk: Desk) -> None:
    desk.alerts.add(DEVELOPER, "AAPL", wish(interval=Interval.W1))
    desk.arrive(daily(98, 99, 99, 99, 99, 101, 101, 101, 101))  # Thursday of the second week
    assert desk.look() == []
    desk.arrive(daily(98, 99, 99, 99, 99, 101, 101, 101, 101, 101))
    assert [one.bars for one in desk.look()] == [1]
    assert desk.fired() == ["2026-05-11"]


def test_more_bars_than_are_judged_at_once_are_said(desk: Desk) -> None:
    desk.alerts.add(DEVELOPER, "AAPL", wish("close moves 0.01% in 1"))
    bars = make_sessions(MOST_BARS + 700, "2019-11-04", seed=2)
    desk.people.run("UPDATE price_alerts SET seen_ts = '2019-11-05'")
    desk.arrive(bars)
    [fired] = desk.look()
    assert fired.bars <= 50 * MOST_BARS
    assert "the newest 1,000 were looked at" in desk.texts()[0]
    [(first,)] = desk.people.run("SELECT min(bar_ts) FROM price_alert_firings")
    assert first.timestamp() * 1e6 >= bars.ts[-MOST_BARS]
    assert desk.look() == []


def test_two_workers_at_once_tell_each_bar_once(desk: Desk) -> None:
    for number in range(10):
        desk.alerts.add(DEVELOPER, "AAPL", wish(f"close above {100 + number / 100}"))
    desk.arrive(daily(98, 99, 101, 99, 101))
    watches = [desk.new_watch() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda watch: list(watch.look()), watches))
    assert sum(len(one) for one in found) == 10
    assert len(desk.fired()) == 20 and len(desk.alerts.notices(DEVELOPER)) == 10


def test_state_firing_notice_and_mail_are_kept_together_or_not_at_all(desk: Desk, sql: Sql) -> None:
    ann = desk.user("ann")
    desk.alerts.add(ann, "AAPL", wish(by_email=True))
    desk.arrive(daily(98, 99, 101))
    sql("ALTER TABLE alert_outbox ADD CONSTRAINT no_room CHECK (title = '')")
    with pytest.raises(DatabaseUnavailable, match="refuses what alerts need"):
        desk.look()
    assert desk.fired() == [] and desk.texts(ann) == []
    sql("ALTER TABLE alert_outbox DROP CONSTRAINT no_room")
    assert [one.bars for one in desk.look()] == [1]
    assert desk.mailed() == [("ann@example.com", "AAPL 1d: Close crosses above 100")]


def test_only_symbols_with_alerts_are_read_and_only_after_a_change(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.arrive(daily(98, 99), "IBM")
    desk.alerts.add(DEVELOPER, "AAPL", wish())
    read: list[str] = []
    real = desk.reader.of

    def of(scope: object, code: str, ask: object) -> object:
        read.append(code)
        return real(scope, code, ask)  # type: ignore[arg-type]

    monkeypatch.setattr(desk.reader, "of", of)
    desk.look()
    desk.arrive(daily(98, 99, 99.5), "IBM")
    desk.look()
    assert read == ["AAPL"]
    desk.arrive(daily(98, 99, 99.5))
    desk.look()
    desk.look()
    assert read == ["AAPL", "AAPL"]


def test_an_alert_that_is_changed_while_its_bars_are_read_is_judged_at_the_next_look(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bars that were read may be too few for what it wants now."""
    desk.alerts.add(DEVELOPER, "AAPL", wish("close below 50"))
    [one] = desk.alerts.all(DEVELOPER)
    alert, real = one.shown.alert, desk.reader.of
    desk.arrive(daily(98, 99, 101))

    def of(scope: Scope, code: str, ask: Any) -> Any:
        found = real(scope, code, ask)
        monkeypatch.undo()
        desk.store.change(alert.owner, alert.id, alert.symbol.id, wish(), alert.seen)
        return found

    monkeypatch.setattr(desk.reader, "of", of)
    assert desk.look() == [] and desk.fired() == []
    assert [fired.bars for fired in desk.look()] == [1]


# -- how often -------------------------------------------------------------------------------------


def test_cooldown_and_cap_hold_over_a_restart(desk: Desk) -> None:
    days = wish(brake=Brake(5 * 86_400, 50))
    desk.alerts.add(DEVELOPER, "AAPL", days)
    desk.arrive(daily(98, 99, 101))
    assert len(desk.look()) == 1
    desk.arrive(daily(98, 99, 101, 99, 101, 99, 101))
    [fired] = list(desk.new_watch().look())
    assert fired.bars == 1 and desk.fired() == ["2026-05-06", "2026-05-12"]


def test_an_alert_that_is_changed_begins_anew(desk: Desk) -> None:
    desk.alerts.add(DEVELOPER, "AAPL", wish(brake=Brake(30 * 86_400, 1)))
    desk.arrive(daily(98, 99, 101))
    desk.look()
    [one] = desk.alerts.all(DEVELOPER)
    desk.alerts.change(DEVELOPER, one.shown.alert.id, "AAPL", wish("close below 100"))
    assert desk.look() == []
    desk.arrive(daily(98, 99, 101, 99))
    assert [one.bars for one in desk.look()] == [1]
    assert desk.fired() == ["2026-05-06", "2026-05-07"]


def test_switched_off_it_tells_nothing_nor_later_of_what_happened_meanwhile(desk: Desk) -> None:
    desk.alerts.add(DEVELOPER, "AAPL", wish())
    [one] = desk.alerts.all(DEVELOPER)
    desk.alerts.switch(DEVELOPER, one.shown.alert.id, False)
    desk.arrive(daily(98, 99, 101, 99))
    assert desk.look() == []
    desk.alerts.switch(DEVELOPER, one.shown.alert.id, True)
    assert desk.look() == []
    desk.arrive(daily(98, 99, 101, 99, 101))
    assert [one.bars for one in desk.look()] == [1] and desk.fired() == ["2026-05-08"]


# -- whose -----------------------------------------------------------------------------------------


def test_nobody_sees_or_changes_the_alerts_of_another(desk: Desk) -> None:
    ann, bob = desk.user("ann"), desk.user("bob", Role.ADMIN)
    desk.alerts.add(ann, "AAPL", wish())
    desk.arrive(daily(98, 99, 101))
    desk.look()
    [mine] = desk.alerts.all(ann)
    number = mine.shown.alert.id
    for other in (bob, DEVELOPER):
        assert desk.alerts.all(other) == [] and desk.alerts.notices(other) == []
        assert desk.alerts.unread(other) == 0 and desk.alerts.mark_read(other, 10**9) == 0
        with pytest.raises(InvalidAlert, match="no such alert of yours"):
            desk.alerts.change(other, number, "AAPL", wish())
        with pytest.raises(InvalidAlert):
            desk.alerts.switch(other, number, False)
        with pytest.raises(InvalidAlert):
            desk.alerts.remove(other, number)
        with pytest.raises(InvalidAlert):
            desk.alerts.find(other, number)
    assert desk.alerts.all(ann) == [mine] and desk.alerts.unread(ann) == 1
    assert desk.alerts.mark_read(ann, desk.alerts.notices(ann)[0].id) == 1
    assert desk.alerts.unread(ann) == 0


def test_the_queries_ask_for_the_owner_themselves(desk: Desk) -> None:
    ann = desk.user("ann")
    desk.alerts.add(ann, "AAPL", wish())
    [mine] = desk.alerts.all(ann)
    number, symbol = mine.shown.alert.id, mine.shown.alert.symbol.id
    for other in ("bob", DEVELOPER.id, ""):
        assert not desk.store.switch(other, number, False, None)
        assert not desk.store.change(other, number, symbol, wish("close below 1"), None)
        assert not desk.store.remove(other, number)
    assert desk.alerts.all(ann) == [mine]
    assert not desk.store.add("nobody known", symbol, wish(), None, 50)


def test_a_viewer_has_alerts_on_what_is_shared_while_it_is_shared(desk: Desk) -> None:
    vera = desk.user("vera", Role.VIEWER)
    with pytest.raises(UnknownSymbol):
        desk.alerts.add(vera, "AAPL", wish())
    with pytest.raises(UnknownSymbol):
        desk.alerts.preview(vera, "AAPL", wish())
    desk.share()
    desk.alerts.add(vera, "AAPL", wish())
    desk.people.run("DELETE FROM shared_symbols")
    desk.arrive(daily(98, 99, 101, 99))
    assert desk.look() == []
    [hidden] = desk.alerts.all(vera)
    assert hidden.standing is Standing.NOT_SHARED
    desk.share()
    assert desk.look() == [] and desk.fired() == []  # nor what happened meanwhile
    desk.arrive(daily(98, 99, 101, 99, 101))
    assert [one.bars for one in desk.look()] == [1]


def test_a_user_who_becomes_a_viewer_is_told_of_shared_symbols_alone(desk: Desk) -> None:
    ann = desk.user("ann")
    desk.alerts.add(ann, "AAPL", wish())
    desk.people.run("UPDATE users SET role = 'viewer'")
    desk.arrive(daily(98, 99, 101))
    assert desk.look() == []


def test_a_disabled_user_gets_nothing_not_even_what_waits(desk: Desk, database: Database) -> None:
    ann = desk.user("ann")
    desk.alerts.add(ann, "AAPL", wish(by_email=True))
    desk.arrive(daily(98, 99, 101))
    assert desk.look()[0].mailed
    desk.people.run("UPDATE users SET disabled_at = now()")
    assert PostgresOutbox(database).lease(["email"], [], 60) == []
    assert desk.people.run("SELECT state FROM alert_outbox") == [("dropped",)]
    desk.arrive(daily(98, 99, 101, 99, 101))
    assert desk.look() == []


def test_the_developers_alerts_rest_where_users_sign_in(database: Database) -> None:
    desk = Desk(database)
    desk.arrive(daily(98, 99))
    desk.alerts.add(DEVELOPER, "AAPL", wish())
    signed = Desk(database, developer=False)
    desk.arrive(daily(98, 99, 101))
    assert signed.look() == []


def test_the_command_line_has_no_alerts(desk: Desk) -> None:
    with pytest.raises(Forbidden):
        desk.alerts.add(CONSOLE, "AAPL", wish())


def test_there_may_be_so_many_and_no_more_whoever_asks_at_once(
    desk: Desk, database: Database
) -> None:
    for number in range(MOST_ALERTS - 2):
        desk.alerts.add(DEVELOPER, "AAPL", wish(f"close above {number + 1}"))

    def add(number: int) -> int:
        try:
            desk.alerts.add(DEVELOPER, "AAPL", wish(f"close below {number + 1}"))
        except InvalidAlert as error:
            assert "the most there may be" in str(error)
            return 0
        return 1

    turn = "SELECT pg_advisory_xact_lock(hashtext('mltrading price_alerts'), hashtext('developer'))"
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with ThreadPoolExecutor(4) as pool:
        with database.transaction() as link, link.cursor() as cursor:
            cursor.execute(turn)
            added = [pool.submit(add, number) for number in range(4)]
            wait_until(lambda: desk.people.run(waiting) == [(4,)], "all of them to take their turn")
        assert sum(one.result() for one in added) == 2
    assert len(desk.alerts.all(DEVELOPER)) == MOST_ALERTS


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"brake": Brake(-1, 1)}, "cooldown"),
        ({"brake": Brake(31 * 86_400, 1)}, "cooldown"),
        ({"brake": Brake(0, 0)}, "the most a day"),
        ({"brake": Brake(0, 51)}, "the most a day"),
        ({"interval": Interval.M5}, "AAPL has no bars of 5m; there are 1d, 1w, 1mo"),
        ({"by_email": True}, "by e-mail"),
    ],
)
def test_an_alert_that_could_not_work_is_refused(
    desk: Desk, changes: dict[str, object], reason: str
) -> None:
    with pytest.raises(InvalidAlert, match=reason):
        desk.alerts.add(DEVELOPER, "AAPL", wish(**changes))


def test_no_mail_where_none_is_sent(database: Database) -> None:
    desk = Desk(database, mails=False)
    desk.arrive(daily(98, 99))
    ann = desk.user("ann")
    assert desk.alerts.mails_to(ann) == ""
    with pytest.raises(InvalidAlert, match="by e-mail"):
        desk.alerts.add(ann, "AAPL", wish(by_email=True))


# -- how it stands, and what would have been -------------------------------------------------------


def standing(desk: Desk) -> list[Standing]:
    return [one.standing for one in desk.alerts.all(DEVELOPER)]


def test_each_alert_says_how_it_stands(desk: Desk) -> None:
    up_to_date = make_sessions(20, "2026-05-04")
    desk.clock.moment = datetime(2026, 5, 7, 21, tzinfo=UTC)
    desk.arrive(daily(98, 99, 99, 99))
    desk.alerts.add(DEVELOPER, "AAPL", wish(brake=Brake(86_400 * 3, 50)))
    assert standing(desk) == [Standing.ARMED]
    desk.clock.wait(86_400)
    desk.arrive(daily(98, 99, 99, 99, 101))
    desk.look()
    [cooling] = desk.alerts.all(DEVELOPER)
    assert cooling.standing is Standing.COOLING
    assert cooling.until == int(up_to_date.ts[4]) + 20 * 3_600_000_000 + 3 * DAY
    number = cooling.shown.alert.id
    desk.people.run("UPDATE price_alerts SET cooldown_seconds = 0, daily_cap = 1")
    assert standing(desk) == [Standing.CAPPED]
    desk.alerts.switch(DEVELOPER, number, False)
    assert standing(desk) == [Standing.OFF]
    desk.alerts.switch(DEVELOPER, number, True)
    desk.clock.wait(20 * 86_400)
    [old] = desk.alerts.all(DEVELOPER)
    assert old.standing is Standing.NO_DATA and "sessions" in old.age


def test_a_preview_counts_what_a_worker_told(desk: Desk) -> None:
    bars = make_sessions(400, "2024-11-04", seed=9)
    text = f"close above {float(np.median(bars.close)):.2f}"
    first = len(bars) - 200
    desk.arrive(bars[:first], "WALK")
    desk.alerts.add(DEVELOPER, "WALK", wish(text))
    for stop in range(first + 1, len(bars) + 1, 7):
        desk.arrive(bars[:stop], "WALK")
        desk.look()
    desk.arrive(bars, "WALK")
    desk.look()
    preview = desk.alerts.preview(DEVELOPER, "WALK", wish(text))
    told = [ts for ts in preview.foreseen.told if ts >= bars.ts[first]]
    shown = [np.datetime64(ts, "us").astype("M8[D]").astype(str) for ts in told]
    assert desk.fired() == shown and len(shown) > 2
    assert preview.foreseen.until == bars.ts[-1] and not preview.cut


def test_a_preview_of_a_symbol_without_bars_says_so(desk: Desk) -> None:
    desk.people.symbol("NONE")
    preview = desk.alerts.preview(DEVELOPER, "NONE", wish())
    assert (preview.foreseen.bars, preview.foreseen.known_from) == (0, None)


def test_a_worker_that_looks_is_seen(desk: Desk) -> None:
    assert desk.alerts.looked(DEVELOPER) is None
    desk.look()
    looked = desk.alerts.looked(DEVELOPER)
    assert looked is not None and 0 <= looked.seconds < WATCHED_SECONDS
    desk.people.run("UPDATE price_alert_looks SET looked_at = looked_at - interval '75 seconds'")
    later = desk.alerts.looked(DEVELOPER)
    assert later is not None and later.seconds >= 75 > WATCHED_SECONDS
    assert (looked.at - later.at).total_seconds() == 75


def test_an_alert_of_a_later_release_is_left_as_it_is(desk: Desk) -> None:
    desk.alerts.add(DEVELOPER, "AAPL", wish())
    desk.alerts.add(DEVELOPER, "AAPL", wish("close above 100.5"))
    desk.people.run(
        "UPDATE price_alerts SET condition = 'volume above 7' WHERE condition = 'close above 100.5'"
    )
    desk.arrive(daily(98, 99, 101))
    assert [one.bars for one in desk.look()] == [1]
    assert len(desk.alerts.all(DEVELOPER)) == 1


def test_what_is_deleted_stays_among_the_notices(desk: Desk, database: Database) -> None:
    desk.alerts.add(DEVELOPER, "AAPL", wish())
    desk.arrive(daily(98, 99, 101))
    desk.look()
    [one] = desk.alerts.all(DEVELOPER)
    desk.alerts.remove(DEVELOPER, one.shown.alert.id)
    assert len(desk.texts()) == 1 and desk.fired() == []
    assert PostgresPriceWatch(database).due(True) == []
