"""Alone, without the database: what is known, what is sent, what survives a restart, and that it is
handed in."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest

from mltrading.adapters.spool_file import NAME, SpoolFile
from mltrading.domain.alerting.rules import by_name
from mltrading.domain.alerting.silences import Silence, parse_matchers
from mltrading.domain.alerting.states import Finding, Value
from mltrading.domain.alerting.turns import Book, Evaluation
from mltrading.services.alert_direct import MOST_MESSAGES, DirectAlerts
from mltrading.services.ports.alerts import Leased, Spooled
from mltrading.utils.message import DELIVERED, Outcome
from tests.alerts_made import (
    KINDS,
    MAIL,
    NOON,
    PAGER,
    SLACK,
    Hands,
    firing,
    make_ruleset,
    new_ids,
    queued,
    told,
)

pytestmark = pytest.mark.smoke

RULESET = make_ruleset()
RULES = by_name(RULESET.rules)


class Machine:
    """One machine with its disk; a restart forgets all but that."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hands = Hands()
        self.ids = new_ids()
        self.start()

    def start(self) -> None:
        self.spool = SpoolFile(self.folder)
        self.direct = DirectAlerts(
            self.spool, self.hands.now, self.ids, monotonic=self.hands.monotonic
        )

    def restart(self) -> None:
        self.spool.close()
        self.start()

    def look(self, *down: str) -> list[str]:
        """A turn without the database; to whom something is to be sent."""
        found = [
            Evaluation(
                RULES[name],
                {(): Finding(Value.TRUE if name in down else Value.FALSE, f"{name} said")},
            )
            for name in ("AppDown", "DatabaseDown")
        ]
        changes = self.direct.turn(RULESET, found)
        return [
            f"{'resolve ' if one.message.resolved else ''}{one.destination.kind}"
            for one in changes.messages
        ]

    def send(self, outcome: Outcome = DELIVERED, kinds: Collection[str] = KINDS) -> list[Leased]:
        """Send all that is due."""
        sent: list[Leased] = []
        while leased := self.direct.lease(kinds, (), 40):
            for one in leased:
                self.direct.finish(one, outcome, 2.0)
            sent += leased
        return sent

    def on_disk(self) -> Spooled:
        known = SpoolFile(self.folder).load()
        assert known is not None
        return known


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "home")


def test_each_channel_is_told_once_and_hears_the_end(machine: Machine) -> None:
    assert machine.look("DatabaseDown") == ["slack", "email", "pagerduty"]
    assert len(machine.send()) == 3
    for _ in range(8):
        machine.hands.go(15)
        assert machine.look("DatabaseDown") == []
    machine.hands.go(15)
    assert machine.look() == []
    machine.hands.go(120)
    assert machine.look() == ["resolve slack", "resolve email", "resolve pagerduty"]
    assert len(machine.send()) == 3
    machine.hands.go(15)
    assert machine.look() == []


def test_it_is_in_the_file_before_it_is_sent(machine: Machine) -> None:
    machine.look("DatabaseDown")
    assert [one.state for one in machine.on_disk().messages] == ["waiting"] * 3
    machine.send()
    assert [one.state for one in machine.on_disk().messages] == ["delivered"] * 3


def test_a_restart_tells_nobody_twice_and_forgets_nothing(machine: Machine) -> None:
    machine.look("DatabaseDown")
    [slack] = [one for one in machine.direct.lease({"slack"}, (), 40)]
    machine.direct.finish(slack, DELIVERED, 0)
    [mail] = machine.direct.lease({"email"}, (), 40)
    machine.restart()  # while the mail was being sent
    assert machine.look("DatabaseDown") == []
    sent = machine.send()
    assert {one.queued.destination for one in sent} == {MAIL, PAGER}
    assert mail.queued.message.id in {one.queued.message.id for one in sent}


def test_what_was_told_before_the_database_went_is_not_told_again(machine: Machine) -> None:
    alert = firing("AppDown")
    book = Book({alert.key: alert}, tuple(told(alert, to) for to in (SLACK, MAIL, PAGER)))
    machine.direct.remember(RULESET, book)
    assert machine.look("AppDown", "DatabaseDown") == []
    machine.restart()
    assert machine.look("AppDown", "DatabaseDown") == []
    machine.hands.go(15)
    machine.look()
    machine.hands.go(120)
    assert machine.look() == ["resolve slack", "resolve email", "resolve pagerduty"]
    assert len(machine.send()) == 3  # though their beginning is not in the file


def test_who_had_not_heard_yet_when_the_database_went_is_told(machine: Machine) -> None:
    alert = firing("AppDown")
    book = Book({alert.key: alert}, tuple(told(alert, to) for to in (SLACK, MAIL, PAGER)))
    fresh = [queued(to, alert.key) for to in (SLACK, MAIL, PAGER)]
    machine.direct.remember(RULESET, book, fresh)
    machine.direct.heard(fresh[0])
    assert machine.look("AppDown") == ["email", "pagerduty"]


def test_a_silence_of_before_holds_and_survives_a_restart(machine: Machine) -> None:
    until = NOON.replace(hour=14)
    quiet = Silence("1", parse_matchers("DatabaseDown"), "a", "maintenance", NOON, until)
    machine.direct.remember(RULESET, Book(silences=(quiet,)))
    machine.restart()
    assert machine.look("DatabaseDown") == []
    machine.hands.go(2 * 3600)
    assert machine.look("DatabaseDown") == ["slack", "email", "pagerduty"]


def test_critical_is_repeated_each_hour_but_to_pagerduty(machine: Machine) -> None:
    machine.look("DatabaseDown")
    machine.send()
    machine.hands.go(3600)
    assert machine.look("DatabaseDown") == ["slack", "email"]


def test_nothing_is_repeated_to_who_has_not_got_the_first(machine: Machine) -> None:
    machine.look("DatabaseDown")
    machine.send(kinds={"slack"})
    machine.hands.go(3600)
    assert machine.look("DatabaseDown") == ["slack"]


def test_an_attempt_that_failed_is_made_again_after_its_pause(machine: Machine) -> None:
    machine.look("DatabaseDown")
    [slack] = machine.direct.lease({"slack"}, (), 40)
    machine.direct.finish(slack, Outcome("retry", "answered 503"), 10.0)
    assert machine.direct.lease({"slack"}, (), 40) == []
    machine.hands.go(10)
    [again] = machine.direct.lease({"slack"}, (), 40)
    assert (again.queued, again.attempt) == (slack.queued, 2)
    assert machine.direct.sending
    assert machine.direct.lease({"slack"}, (), 40) == []


def test_an_end_waits_for_its_beginning_and_goes_with_it(machine: Machine) -> None:
    machine.look("DatabaseDown")
    [page] = machine.direct.lease({"pagerduty"}, (), 40)
    machine.direct.finish(page, Outcome("retry", "answered 503"), 1000.0)
    for _ in range(10):
        machine.hands.go(15)
        machine.look()
    assert machine.direct.lease({"pagerduty"}, (), 40) == []
    machine.hands.go(1000)
    [again] = machine.direct.lease({"pagerduty"}, (), 40)
    machine.direct.finish(again, Outcome("dead", "answered 400"), 0)
    assert machine.direct.lease({"pagerduty"}, (), 40) == []
    assert [
        (one.state, one.reason)
        for one in machine.on_disk().messages
        if one.queued.destination == PAGER
    ] == [("dead", "answered 400"), ("dropped", "what it ends never arrived there")]


def test_what_is_a_day_old_is_given_up(machine: Machine) -> None:
    machine.look("DatabaseDown")
    machine.hands.go(86_401)
    assert machine.direct.lease(KINDS, (), 40) == []
    assert {(one.state, one.reason) for one in machine.on_disk().messages} == {
        ("dead", "given up after a day: nobody could send it")
    }


def test_what_is_handed_in_is_sent_from_here_no_more(machine: Machine) -> None:
    assert machine.direct.to_hand_in() is None
    machine.look("DatabaseDown")
    away = machine.direct.to_hand_in()
    assert away is not None and away.session
    assert len(away.messages) == len(away.told) == 3
    assert [one.what for one in away.events] == ["fired"]
    assert machine.direct.lease(KINDS, (), 40) == []
    machine.direct.handed_in()
    assert machine.direct.to_hand_in() is None
    assert machine.on_disk().messages == ()
    machine.restart()
    assert machine.direct.to_hand_in() is None


def test_a_restart_before_it_was_handed_in_hands_in_the_same(machine: Machine) -> None:
    machine.look("DatabaseDown")
    before = machine.direct.to_hand_in()
    machine.restart()
    assert machine.direct.lease(KINDS, (), 40) == []  # nobody knows yet whether it was
    assert machine.direct.to_hand_in() == before


def test_the_database_going_again_begins_another_session(machine: Machine) -> None:
    machine.look("DatabaseDown")
    first = machine.direct.to_hand_in()
    machine.direct.handed_in()
    machine.look("DatabaseDown")
    second = machine.direct.to_hand_in()
    assert first is not None and second is not None
    assert first.session != second.session
    assert second.messages == ()  # it goes on, and all of them know


def test_the_file_stays_small_however_long_it_lasts(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)
    for _ in range(MOST_MESSAGES // 3):
        machine.hands.go(15)
        machine.look("DatabaseDown")
        machine.send()
        for _ in range(2):
            machine.hands.go(120)
            machine.look()
        machine.send()
    known = machine.direct.to_hand_in()
    assert known is not None
    assert MOST_MESSAGES <= len(known.messages) <= MOST_MESSAGES + 6
    assert (machine.folder / NAME).stat().st_size < 400_000


def test_a_file_that_was_spoilt_counts_as_empty(machine: Machine) -> None:
    machine.look("DatabaseDown")
    path = machine.folder / NAME
    for content in (b"", b"{", b"[]", b'{"form": 2}', b"\xff", path.read_bytes()[:-40]):
        path.write_bytes(content)
        machine.restart()
        assert machine.direct.to_hand_in() is None


def test_a_second_worker_of_the_machine_leaves_the_file_alone(machine: Machine) -> None:
    machine.look("DatabaseDown")
    second = SpoolFile(machine.folder)
    assert not second.ours
    direct = DirectAlerts(second, machine.hands.now, new_ids("other"))
    assert not direct.ours
    assert direct.to_hand_in() is None
    assert not second.save(replace(Spooled(), session="x"))
    assert machine.on_disk().session


def test_a_folder_that_can_not_be_written_is_no_reason_to_be_silent(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    machine = Machine(tmp_path / "file" / "home")
    assert machine.direct.ours
    assert machine.look("DatabaseDown") == ["slack", "email", "pagerduty"]
    assert len(machine.send()) == 3
