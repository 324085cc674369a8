"""What alerts keep about a trader: all of it is handed out, goes with the account, and in time; and
a trader's mail is no trouble, and no name, of the operators."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from mltrading.adapters.postgres.alerts import PostgresAlerts
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.postgres.privacy import PostgresPrivacy
from mltrading.domain.access import CONSOLE, WORKER, Actor, Role
from mltrading.services.privacy import Privacy
from mltrading.services.retention import Retainer
from tests.identities import HOME
from tests.price_alerts_made import Desk, daily, wish
from tests.test_services.test_retention import Days

pytestmark = pytest.mark.database

Sql = Callable[[str], list[tuple[object, ...]]]
TABLES = ("price_alerts", "price_alert_firings", "price_alert_notices", "alert_outbox")


@pytest.fixture
def desk(database: Database) -> Desk:
    """Ann and Bob were told of the same bar, here and by e-mail."""
    made = Desk(database)
    made.arrive(daily(98, 99))
    made.people.add("root", "admin")
    for name in ("ann", "bob"):
        made.alerts.add(made.user(name), "AAPL", wish(by_email=True))
    made.arrive(daily(98, 99, 101))
    assert len(made.look()) == 2
    return made


def privacy(desk: Desk, database: Database) -> Privacy:
    store = PostgresPrivacy(database)
    return Privacy(store, desk.people.trail, desk.people.identity, Retainer(store, Days()))


def rows(desk: Desk) -> list[int]:
    return [int(desk.people.run(f"SELECT count(*) FROM {name}")[0][0]) for name in TABLES]


def test_all_of_it_is_exported_and_nothing_of_others(desk: Desk, database: Database) -> None:
    found = privacy(desk, database).export_of(CONSOLE, "ann", HOME)
    assert [len(found[name]) for name in TABLES] == [1, 1, 1, 1]  # type: ignore[arg-type]
    text = json.dumps(found)
    assert "close above 100" in text and "ann@example.com" in text and "bob" not in text


def test_all_of_it_goes_with_the_account_and_nothing_of_others(
    desk: Desk, database: Database
) -> None:
    assert rows(desk) == [2, 2, 2, 2]
    privacy(desk, database).erase(CONSOLE, "ann", HOME)
    assert rows(desk) == [1, 1, 1, 1]
    everything = [desk.people.run(f"SELECT row_to_json(t)::text FROM {n} t") for n in TABLES]
    assert "ann" not in str(everything)
    desk.arrive(daily(98, 99, 101, 99, 101))
    assert [one.alert.owner for one in desk.look()] == ["bob"]


def test_what_was_told_goes_after_its_days_and_the_alert_stays(
    desk: Desk, database: Database
) -> None:
    desk.people.run("UPDATE price_alert_notices SET at = at - interval '366 days' WHERE id = 1")
    desk.people.run("UPDATE price_alert_firings SET fired_at = fired_at - interval '366 days'")
    gone = Retainer(PostgresPrivacy(database), Days()).run(WORKER).gone
    assert (gone["notices"], gone["firings"]) == (1, 2)
    assert rows(desk)[:3] == [2, 0, 1]
    assert desk.look() == []  # the bar is not told again


def queue_names(database: Database) -> list[str]:
    return [one.destination.name for one in PostgresAlerts(database).queue()]


def test_operators_see_mail_to_traders_without_a_name(desk: Desk, database: Database) -> None:
    assert queue_names(database) == ["email traders"]
    desk.people.run(
        "UPDATE alert_outbox SET state = 'dead', finished_at = now(),"
        " reason = 'the recipient was refused: 550 <ann@example.com> unknown'"
        " WHERE target = 'ann@example.com'"
    )
    [trouble] = PostgresAlerts(database).book()[0].troubles
    assert trouble.destination.name == "email traders"
    assert "ann" not in str(trouble) and "550 ... unknown" in str(trouble)
    assert "ann" not in str(PostgresAlerts(database).queue())
    desk.people.run(
        "UPDATE alert_outbox SET state = 'delivered', finished_at = now() + interval '1 second'"
        " WHERE target = 'bob@example.com'"
    )
    assert PostgresAlerts(database).book()[0].troubles == ()  # one wrong address is no trouble


def test_marking_as_read_is_of_ones_own(desk: Desk) -> None:
    ann = Actor("ann", Role.ANALYST.permissions, "ann@example.com", Role.ANALYST)
    assert desk.alerts.mark_read(ann, 10**15) == 1
    assert desk.people.run("SELECT count(*) FROM price_alert_notices WHERE read_at IS NULL") == [
        (1,)
    ]
