"""What the page of alerts is told, by a desk over memory: is it true now, for whom, until when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from mltrading.domain.access import Actor, Role
from mltrading.domain.alerting.notices import Ruleset
from mltrading.domain.alerting.rules import DEFAULT_RULES, OWN_RULES
from mltrading.domain.alerting.silences import Silence, parse_matchers
from mltrading.domain.alerting.states import Alert, State
from mltrading.domain.alerting.turns import Book, Event
from mltrading.errors import Forbidden, InvalidSilence
from mltrading.services.alert_desk import MOST_PAGES, PAGE_EVENTS, AlertDesk, Desk, Watch
from mltrading.services.alerts import Alerts
from mltrading.services.ports.alert_desk import AlertFile, DeadLetter, DeskRecord, Leader
from mltrading.services.ports.alerts import QueueState
from mltrading.services.ports.audit import AuditEvent, Origin
from mltrading.utils.message import Destination, Severity
from tests.alerts_made import MAIL, NOON, PAGER, SLACK, TEAM, firing, make_alert, told

pytestmark = pytest.mark.smoke

ADMIN = Actor("adam", Role.ADMIN.permissions, "adam@example.com", Role.ADMIN)
VIEWER = Actor("vera", Role.VIEWER.permissions, "vera@example.com", Role.VIEWER)
CHANNELS: dict[Severity, tuple[Destination, ...]] = {
    "critical": (SLACK, PAGER),
    "warning": (SLACK,),
    "info": (TEAM,),
}
SECOND = timedelta(seconds=1)


@dataclass
class World:
    """Stands for the ports AlertStore, DeskBook and DeskFile; it is NOON."""

    book_now: Book = field(default_factory=Book)
    leader: Leader | None = field(default_factory=lambda: Leader("web.1-1-a", NOON + 30 * SECOND))
    waits: tuple[QueueState, ...] = ()
    dead: tuple[DeadLetter, ...] = ()
    authors: dict[str, str] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    file: AlertFile = AlertFile("", DEFAULT_RULES, CHANNELS)
    made: list[tuple[Silence, AuditEvent]] = field(default_factory=list)
    switched_on: bool = True

    def book(self) -> tuple[Book, datetime]:
        return self.book_now, NOON

    def problem(self) -> str:
        return self.file.problem

    def ruleset(self) -> Ruleset:
        return Ruleset("production", self.file.rules, self.file.channels)

    def queue(self) -> Sequence[QueueState]:
        return self.waits

    def record(self, most_dead: int) -> DeskRecord:
        named = sorted({one.rule for one in self.events})
        return DeskRecord(self.leader, self.authors, self.dead[:most_dead], named)

    def history(self, rule: str, limit: int, offset: int) -> Sequence[Event]:
        found = [one for one in self.events if rule in ("", one.rule)]
        return found[offset : offset + limit]

    def read(self) -> AlertFile:
        return self.file

    def add_silence(
        self, silence: Callable[[str, datetime], Silence], event: Callable[[Silence], AuditEvent]
    ) -> Silence:
        one = silence("1", NOON)
        self.made.append((one, event(one)))
        return one

    def knows(self, *alerts: Alert, **more: object) -> None:
        known = {one.key: one for one in alerts}
        self.book_now = replace(self.book_now, alerts=known, **more)  # type: ignore[arg-type]

    def desk(self) -> AlertDesk:
        alerts = Alerts(self, self, self)  # type: ignore[arg-type]
        return AlertDesk(alerts, self, self, switched_on=self.switched_on)

    def look(self, rule: str = "", page: int = 1) -> Desk:
        return self.desk().look(ADMIN, rule, page)


@pytest.fixture
def world() -> World:
    return World()


def quiet(seconds_ago: float = 5, **fields: object) -> Alert:
    return make_alert("MemoryHigh", evaluated_at=NOON - seconds_ago * SECOND, **fields)


# -- whether it is true now -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds_ago", "lease", "errors", "watch"),
    [
        (5, 30, 0, Watch.GOES_ON),
        (60, 0, 0, Watch.GOES_ON),
        (61, 30, 0, Watch.ENDED),  # it leads, and nothing comes of it
        (5, -1, 0, Watch.ENDED),  # killed: whoever follows has not come yet
        (900, 30, 3, Watch.GOES_ON),  # each evaluation fails, and that is told
        (900, -1, 3, Watch.ENDED),
    ],
)
def test_it_goes_on_while_a_worker_leads_and_evaluates(
    world: World, seconds_ago: float, lease: float, errors: int, watch: Watch
) -> None:
    world.knows(quiet(seconds_ago, errors=errors))
    world.leader = Leader("x", NOON + lease * SECOND)
    assert world.look().watch is watch


def test_what_was_never_evaluated_or_is_switched_off_is_not_quiet(world: World) -> None:
    assert world.look().watch is Watch.NEVER
    world.knows(quiet())
    assert world.look().watch is Watch.GOES_ON
    world.leader = None
    assert world.look().watch is Watch.ENDED
    world.switched_on = False
    assert world.look().watch is Watch.OFF


# -- alerts ---------------------------------------------------------------------------------------


def test_alerts_are_told_by_state_with_who_knows_of_them(world: World) -> None:
    down, pending = firing("AppDown"), quiet(state=State.PENDING, pending_since=NOON)
    world.knows(down, pending, told=(told(down, SLACK), told(down, PAGER)))
    desk = world.look()
    assert desk.in_state(State.FIRING) == [down]
    assert desk.in_state(State.PENDING) == [pending]
    assert desk.told == {down.key: [PAGER, SLACK]}
    assert desk.fires_at(pending) == NOON + timedelta(minutes=15)
    assert desk.matchers(pending.key) == "rule=MemoryHigh"
    assert desk.matchers("of nobody") == ""


def test_when_an_alert_of_a_rule_that_is_not_known_here_fires_is_not_guessed(world: World) -> None:
    pending = make_alert("Elsewhere", state=State.PENDING, pending_since=NOON)
    world.knows(pending)
    assert world.look().fires_at(pending) is None


# -- silences -------------------------------------------------------------------------------------


def test_silences_tell_who_made_them_and_what_they_mute(world: World) -> None:
    lasting = Silence("7", parse_matchers("AppDown"), "adam", "moving", NOON, NOON + 60 * SECOND)
    console = replace(lasting, id="8", author="cli")
    world.authors = {"adam": "adam@example.com"}
    world.knows(
        firing("AppDown", muted_by="silence 7"),
        firing("CpuHigh", muted_by="AppDown"),
        make_alert("DiskLow", muted_by="silence 8"),
        silences=(lasting, console),
    )
    assert [(one.by, one.open) for one in world.look().silences] == [
        ("adam@example.com", 1),
        ("cli", 0),
    ]


def test_a_silence_is_made_as_the_console_makes_it(world: World) -> None:
    origin = Origin("203.0.113.7", "Firefox")
    world.desk().silence(ADMIN, "AppDown", 60, "we  move\nit", origin)
    [(silence, event)] = world.made
    assert (silence.author, silence.reason, silence.ends_at) == (
        "adam",
        "we move it",
        NOON + 60 * SECOND,
    )
    assert (event.action, event.actor, event.target) == ("alerts.silence", "adam", "1")
    assert event.origin == origin


def test_a_silence_of_a_rule_that_there_is_not_is_refused(world: World) -> None:
    with pytest.raises(InvalidSilence, match="is it AppDown"):
        world.desk().silence(ADMIN, "AppDwon", 60, "we move it", Origin())
    world.knows(make_alert("Gone"))  # its rule was taken out of the file while it fired
    world.desk().silence(ADMIN, "Gone", 60, "we move it", Origin())
    world.file = replace(world.file, problem="line 3: wrong")  # then nobody knows what there is
    world.desk().silence(ADMIN, "AppDwon", 60, "we move it", Origin())
    assert [silence.text for silence, _ in world.made] == ["rule=Gone", "rule=AppDwon"]


# -- channels -------------------------------------------------------------------------------------


def test_every_channel_is_told_with_what_waits_for_it(world: World) -> None:
    world.waits = (QueueState(MAIL, 2, 90.0, 1, "550"), QueueState(SLACK, 1, 5.0, 0, "500"))
    world.file = replace(world.file, unusable={PAGER: "skipped: PAGERDUTY_KEY is not set"})
    found = [
        (one.destination, one.severities, one.queue.waiting, one.queue.dead, one.unusable)
        for one in world.look().outlets
    ]
    assert found == [
        (SLACK, ("critical", "warning"), 1, 0, ""),
        (PAGER, ("critical",), 0, 0, "skipped: PAGERDUTY_KEY is not set"),
        (TEAM, ("info",), 0, 0, ""),
        (MAIL, (), 2, 1, ""),  # alerting.yml names it no more, and it is still waited for
    ]


def test_dead_letters_are_told_up_to_a_number(world: World) -> None:
    world.dead = tuple(
        DeadLetter(Destination("slack", f"#{number}"), "title", "404", 1, NOON)
        for number in range(30)
    )
    assert len(world.look().dead) == 20


# -- rules and the file ---------------------------------------------------------------------------


def test_each_rule_stands_as_its_gravest_alert(world: World) -> None:
    labelled = (("channel", "slack #x"),)
    world.knows(
        quiet(),
        make_alert("CpuHigh", state=State.PENDING),
        make_alert("DeliveryFailed", state=State.RESOLVED),
        firing("DeliveryFailed", key="other", labels=labelled),
    )
    states = {one.rule.name: one.state for one in world.look().rules}
    assert states["MemoryHigh"] is State.INACTIVE
    assert states["CpuHigh"] is State.PENDING
    assert states["DeliveryFailed"] is State.FIRING
    assert states["RuleBroken"] is State.INACTIVE  # nothing is remembered of what never was
    assert states["AppDown"] is None
    assert len(states) == len(DEFAULT_RULES) + len(OWN_RULES)


def test_before_the_first_evaluation_no_rule_is_quiet(world: World) -> None:
    assert {one.state for one in world.look().rules} == {None}


def test_a_file_that_can_not_be_read_is_told_and_stops_nothing(world: World) -> None:
    world.file = AlertFile("alerting.yml: line 3: 'x' is unknown")
    world.knows(firing("AppDown"))
    desk = world.look()
    assert desk.file.rules is None and desk.outlets == []
    assert len(desk.in_state(State.FIRING)) == 1


# -- history --------------------------------------------------------------------------------------


def test_history_comes_in_pages(world: World) -> None:
    world.events = tuple(
        Event(NOON - number * SECOND, "k", "AppDown", (), "critical", "fired", f"{number}")
        for number in range(2 * PAGE_EVENTS)
    )
    first, last = world.look().history, world.look(page=2).history
    assert [one.said for one in first.events] == [f"{number}" for number in range(PAGE_EVENTS)]
    assert (first.more, last.more, len(last.events)) == (True, False, PAGE_EVENTS)
    assert world.look("CpuHigh").history.events == []
    assert set(first.rules) == {one.name for one in DEFAULT_RULES}


@pytest.mark.parametrize(("asked", "page"), [(-5, 1), (0, 1), (10**30, MOST_PAGES)])
def test_a_page_that_can_not_be_is_the_nearest(world: World, asked: int, page: int) -> None:
    assert world.look(page=asked).history.page == page


# -- who may --------------------------------------------------------------------------------------


def test_nobody_else_may_ask_or_do_anything(world: World) -> None:
    desk = world.desk()
    for ask in (
        lambda: desk.look(VIEWER),
        lambda: desk.silence(VIEWER, "AppDown", 60, "why", Origin()),
        lambda: desk.unsilence(VIEWER, "1", Origin()),
    ):
        with pytest.raises(Forbidden):
            ask()
    assert world.made == []
