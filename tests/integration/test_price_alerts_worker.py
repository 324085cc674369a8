"""`mltrading import` and `mltrading worker` as processes: bars come in, and the trader is told, in
the dashboard and by e-mail, once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mltrading.adapters.postgres.pool import Database
from tests.alert_workers import environment, working
from tests.price_alerts_made import Desk, wish
from tests.smtp_server import Mailbox, mail_server
from tests.waiting import wait_until

pytestmark = pytest.mark.database

Sql = Callable[[str], list[tuple[object, ...]]]
ALERTING = """channels:
  critical: [{slack: "#critical"}]
  warning: [{slack: "#alerts"}]
  info: [{slack: "#alerts"}]
"""
"""No webhook is set, so operators are told nothing here."""


class Place:
    """A database with an analyst, files of bars, a mail server, and the environment of workers."""

    def __init__(self, folder: Path, url: str, database: Database, mail: Mailbox) -> None:
        self.folder = folder
        self.mail = mail
        self.desk = Desk(database)
        self.log = folder / "worker.log"
        smtp = f"smtp://127.0.0.1:{mail.port}?from=alerts@example.com"
        more = {"SMTP_URL": smtp, "MLTRADING_URL": "https://desk.example"}
        self.env = environment(folder, url, ALERTING, **more)

    def imported(self, *closes: float) -> None:
        """Daily bars of AAPL from 4 May 2026 on, by the command line."""
        days = (4, 5, 6, 7, 8, 11, 12, 13)
        rows = [f"2026-05-{day:02},{c},{c},{c},{c}" for day, c in zip(days, closes, strict=False)]
        file = self.folder / "AAPL.csv"
        file.write_text("\n".join(["Date,Open,High,Low,Close", *rows, ""]))
        words = [sys.executable, "-m", "mltrading", "import", str(file), "--interval", "1d"]
        done = subprocess.run(
            words, env=self.env, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr

    def delivered(self) -> bool:
        """Whether nothing waits to be sent, and that is noted."""
        [(waits,)] = self.desk.people.run(
            "SELECT count(*) FROM alert_outbox WHERE state = 'waiting'"
        )
        return not waits

    def seen(self, day: str) -> bool:
        """Whether a worker has judged the bar of that day."""
        return bool(
            self.desk.people.run(
                "SELECT 1 FROM price_alerts WHERE seen_ts >= %s::timestamptz", (day,)
            )
        )


@pytest.fixture
def place(tmp_path: Path, database_url: str, database: Database) -> Iterator[Place]:
    with mail_server(Mailbox()) as mail:
        yield Place(tmp_path, database_url, database, mail)


def test_bars_come_in_and_the_trader_is_told_once_whatever_becomes_of_the_worker(
    place: Place,
) -> None:
    place.imported(98, 99)
    ann = place.desk.user("ann")
    place.desk.alerts.add(ann, "AAPL", wish(by_email=True))
    with working(place.env, place.log) as worker:
        wait_until(lambda: "started" in worker.said(), "the worker to run")
        place.imported(98, 99, 101)
        wait_until(lambda: place.mail.mails, "the mail")
        wait_until(place.delivered, "the delivery to be noted")
        [notice] = place.desk.alerts.notices(ann)
        assert notice.title == "AAPL 1d: Close crosses above 100"
        worker.kill()
    with working(place.env, place.log):
        place.imported(98, 99, 101, 102)
        wait_until(lambda: place.seen("2026-05-07"), "the next bar to be judged")
        place.imported(98, 99, 101, 102, 99, 101)
        wait_until(lambda: len(place.mail.mails) > 1, "the second mail")
        wait_until(place.delivered, "the delivery to be noted")
    first, second = place.mail.mails
    assert (first["To"], first["Subject"]) == (
        "ann@example.com",
        "[info] AAPL 1d: Close crosses above 100",
    )
    text = str(first.get_content())
    assert "2026-05-06: close 101" in text
    assert "https://desk.example/charts?symbol=AAPL&interval=1d" in text
    assert "2026-05-11: close 101" in str(second.get_content())
    assert place.desk.fired() == ["2026-05-06", "2026-05-11"]
    assert "ann@example.com" not in place.log.read_text()
    assert "to a trader: delivered" in place.log.read_text()


def test_mail_that_can_not_be_delivered_waits_and_the_dashboard_tells_at_once(
    place: Place, sql: Sql
) -> None:
    place.mail.answers = {"RCPT": "451 later"}
    place.imported(98, 99)
    ann = place.desk.user("ann")
    place.desk.alerts.add(ann, "AAPL", wish(by_email=True))
    place.imported(98, 99, 101)
    with working(place.env, place.log):
        wait_until(lambda: place.desk.alerts.unread(ann) == 1, "the notice")
        wait_until(lambda: sql("SELECT 1 FROM alert_outbox WHERE attempts > 1"), "more attempts")
        assert place.mail.mails == []
        place.mail.answers = {}
        wait_until(lambda: place.mail.mails, "the mail")
        wait_until(place.delivered, "the delivery to be noted")
    assert len(place.mail.mails) == 1


def test_a_worker_that_was_away_tells_all_that_it_missed_in_one_mail(place: Place) -> None:
    place.imported(98, 99)
    ann = place.desk.user("ann")
    place.desk.alerts.add(ann, "AAPL", wish(by_email=True))
    place.imported(98, 99, 101, 99, 101, 99, 101)
    with working(place.env, place.log):
        wait_until(lambda: place.mail.mails, "the mail")
        wait_until(place.delivered, "the delivery to be noted")
    [mail] = place.mail.mails
    assert mail["Subject"].endswith("(3 times)")
    assert [line for line in str(mail.get_content()).splitlines() if ": close" in line] == [
        "2026-05-06: close 101",
        "2026-05-08: close 101",
        "2026-05-12: close 101",
    ]
