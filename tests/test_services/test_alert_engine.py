"""The engine with and without its database: who looks, who tells, and that nobody is told twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mltrading.adapters.spool_file import SpoolFile
from mltrading.domain.alerting.notices import Queued, Ruleset
from mltrading.domain.alerting.rules import Condition, rule
from mltrading.domain.alerting.turns import Book, Changes, Trouble, applied, handed_in
from mltrading.errors import DatabaseUnavailable
from mltrading.services import alert_engine
from mltrading.services.alert_direct import DirectAlerts
from mltrading.services.alert_engine import AlertEngine, DatabaseClock, Role
from mltrading.services.alert_sensors import Sensors
from mltrading.services.ports import DatabaseState
from mltrading.services.ports.alerts import AppState, Spooled
from mltrading.services.ports.operations import Window
from mltrading.utils.message import DELIVERED, Destination
from tests.alerts_made import KINDS, MAIL, PAGER, SLACK, TEAM, Hands, make_ruleset, new_ids

pytestmark = pytest.mark.smoke

GOOD = Window(
    requests=100,
    memory_share=0.3,
    cpu_share=0.3,
    disk_free_share=0.5,
    samples=9,
    latency_p95_seconds=0.1,
    newest_age_seconds=5,
)


class World:
    """One database, its clock, and what the application is like."""

    def __init__(self) -> None:
        self.hands = Hands()
        self.book = Book()
        self.holder, self.until = "", self.hands.moment
        self.messages: list[Queued] = []
        self.adopted: set[str] = set()
        self.answers = True
        self.writable = True
        self.window = GOOD
        self.app = AppState(True)
        self.signs = True
        self.skew = timedelta(0)  # of the database's clock against the machines'

    # The port AlertStore.

    def now(self) -> datetime:
        return self.hands.moment + self.skew

    def reach(self) -> None:
        if not (self.answers and self.writable):
            raise DatabaseUnavailable("no answer" if not self.answers else "read-only")

    def lead(self, holder: str, seconds: float) -> datetime | None:
        self.reach()
        if self.holder not in ("", holder) and self.until > self.now():
            return None
        self.holder, self.until = holder, self.now() + timedelta(seconds=seconds)
        return self.now()

    def turn(self, holder: str, decide: Callable[[Book, datetime], Changes]) -> Changes | None:
        self.reach()
        if holder != self.holder:
            return None
        changes = decide(self.book, self.now())
        self.book = applied(self.book, changes)
        self.messages += changes.messages
        return changes

    def adopt(self, spooled: Spooled) -> bool:
        self.reach()
        if spooled.session in self.adopted:
            return False
        self.adopted.add(spooled.session)
        alerts, heard = handed_in(spooled.alerts.values(), spooled.told, self.now())
        told = {(one.key, one.destination): one for one in (*self.book.told, *heard)}
        known = {**self.book.alerts, **{one.key: one for one in alerts}}
        self.book = replace(self.book, alerts=known, told=tuple(told.values()))
        return True

    # The ports DatabaseProbe, AppProbe, Samples and WebSigns.

    def check(self, timeout_seconds: float) -> DatabaseState:
        return DatabaseState.OK if self.answers else DatabaseState.UNREACHABLE

    def windows(self, seconds: int, until: datetime) -> Window:
        self.reach()
        assert until == self.now()
        return self.window

    def seen(self, seconds: float, until: datetime) -> bool:
        self.reach()
        return self.signs


class Config:
    def __init__(self) -> None:
        self.known, self.wrong = make_ruleset(), ""

    def ruleset(self) -> Ruleset:
        return self.known

    def problem(self) -> str:
        return self.wrong


class Ask:
    """One function as a port of one method."""

    def __init__(self, check: Callable[..., object]) -> None:
        self.check = self.window = self.seen = check


class Worker:
    """One process on a machine of its own."""

    def __init__(self, world: World, name: str, folder: Path, url: bool = True) -> None:
        self.world, self.config, hands = world, Config(), world.hands
        self.clock = DatabaseClock(hands, hands.monotonic)
        ids = new_ids(name)
        self.spool = SpoolFile(folder / name)
        self.direct = DirectAlerts(self.spool, self.clock.now, ids, monotonic=hands.monotonic)
        self.sensors = Sensors(
            Ask(world.check),  # type: ignore[arg-type]
            Ask(lambda: world.app) if url else None,  # type: ignore[arg-type]
            Ask(world.windows),  # type: ignore[arg-type]
            Ask(world.seen),  # type: ignore[arg-type]
            sleep=lambda _: None,
            monotonic=hands.monotonic,
        )
        self.engine = AlertEngine(
            name,
            world,  # type: ignore[arg-type]
            self.direct,
            self.sensors,
            self.config,
            self.clock,
            ids,
            monotonic=hands.monotonic,
        )
        self.sent: list[str] = []

    def look(self) -> float:
        pause = self.engine.look()
        while leased := self.direct.lease(KINDS, (), 40):
            for one in leased:
                self.sent.append(short(one.queued))
                self.direct.finish(one, DELIVERED, 0)
        return pause


def short(one: Queued) -> str:
    end = "resolve " if one.message.resolved else ""
    return f"{end}{one.message.title.split()[1].rstrip(':')} {one.destination.kind}"


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def worker(world: World, tmp_path: Path) -> Worker:
    return Worker(world, "one", tmp_path)


def queue(world: World) -> list[str]:
    return [short(one) for one in world.messages]


def several(*workers: Worker, times: int, seconds: float = 15) -> None:
    for _ in range(times):
        for one in workers:
            one.look()
        workers[0].world.hands.go(seconds)


CRITICAL = ["slack", "email", "pagerduty"]


def test_it_tells_what_is_true_over_the_outbox_and_nothing_directly(
    world: World, worker: Worker
) -> None:
    several(worker, times=3)
    assert queue(world) == []
    world.window = replace(GOOD, errors=6)
    worker.look()
    assert queue(world) == [f"ErrorRateHigh {kind}" for kind in CRITICAL]
    assert worker.sent == []
    assert worker.engine.role is Role.LEADER
    assert "6% of 100 requests in 5 min failed (limit 5%)" in world.messages[0].message.title


def test_it_looks_again_when_something_falls_due(world: World, worker: Worker) -> None:
    assert worker.look() == 15
    world.window = replace(GOOD, memory_share=0.9)
    world.hands.go(15)
    worker.look()
    for _ in range(100):
        world.hands.go(9)
        pause = worker.look()
        if pause < 15:
            break
    world.hands.go(pause)
    assert 0 < worker.look() <= 15
    assert worker.direct.sending is False


def test_of_several_workers_one_looks(world: World, tmp_path: Path) -> None:
    workers = [Worker(world, name, tmp_path) for name in ("one", "two", "three")]
    world.window = replace(GOOD, errors=6)
    several(*workers, times=20)
    assert [one.engine.role for one in workers] == [Role.LEADER, Role.STANDBY, Role.STANDBY]
    assert queue(world) == [f"ErrorRateHigh {kind}" for kind in CRITICAL]


def test_another_takes_over_when_the_one_that_led_is_gone(world: World, tmp_path: Path) -> None:
    first, second = (Worker(world, name, tmp_path) for name in ("one", "two"))
    world.window = replace(GOOD, errors=6)
    several(first, second, times=2)
    several(second, times=4)
    assert second.engine.role is Role.LEADER
    assert queue(world) == [f"ErrorRateHigh {kind}" for kind in CRITICAL]
    assert second.engine.worked_within(15)
    assert not first.engine.worked_within(60)


def test_without_the_database_the_leader_tells_directly_and_at_once(
    world: World, worker: Worker
) -> None:
    several(worker, times=2)
    world.answers = False
    worker.look()
    assert worker.sent == [f"DatabaseDown {kind}" for kind in CRITICAL]
    assert worker.engine.trouble == "the database does not answer: database_unreachable"
    several(worker, times=40)
    assert len(worker.sent) == 3
    assert worker.engine.worked_within(15)


def test_when_it_is_back_nobody_is_told_again_and_the_end_is_told_once(
    world: World, worker: Worker
) -> None:
    several(worker, times=2)
    world.answers = False
    several(worker, times=8)
    world.answers = True
    worker.look()
    assert queue(world) == []
    assert worker.engine.trouble == ""
    several(worker, times=20)
    assert queue(world) == [f"resolve DatabaseDown {kind}" for kind in CRITICAL]
    assert worker.sent == [f"DatabaseDown {kind}" for kind in CRITICAL]


def test_errors_that_the_outage_caused_are_not_told_after_it(world: World, worker: Worker) -> None:
    several(worker, times=2)
    world.answers = False
    several(worker, times=8)
    world.answers = True
    world.window = replace(GOOD, errors=60)  # of the outage, in the window for 5 minutes yet
    several(worker, times=20)
    world.window = GOOD
    several(worker, times=20)
    assert queue(world) == [f"resolve DatabaseDown {kind}" for kind in CRITICAL]


def test_the_application_that_is_down_with_its_database_is_one_page(
    world: World, worker: Worker
) -> None:
    several(worker, times=2)
    world.answers, world.app = False, AppState(False, "/health answered 500: database_unreachable")
    several(worker, times=4)
    world.answers, world.app = True, AppState(True)
    several(worker, times=20)
    assert worker.sent == [f"AppDown {kind}" for kind in CRITICAL]
    assert queue(world) == [f"resolve AppDown {kind}" for kind in CRITICAL]


def test_a_database_that_can_only_be_read_counts_as_down(world: World, worker: Worker) -> None:
    several(worker, times=2)
    world.writable = False
    worker.look()
    assert worker.sent == [f"DatabaseDown {kind}" for kind in CRITICAL]
    assert worker.engine.trouble == "read-only"


def test_a_database_without_its_tables_yet_is_no_alarm(world: World, worker: Worker) -> None:
    world.check = lambda _: DatabaseState.OUTDATED  # type: ignore[method-assign]
    worker = Worker(world, "new", worker.spool._path.parent)
    worker.look()
    assert worker.sent == []
    assert worker.engine.trouble == "the database lacks migrations"


def test_one_that_starts_without_the_database_tells_as_well(world: World, worker: Worker) -> None:
    world.answers = False
    worker.look()
    assert worker.sent == [f"DatabaseDown {kind}" for kind in CRITICAL]


def test_a_restart_in_the_outage_tells_nobody_twice(
    world: World, worker: Worker, tmp_path: Path
) -> None:
    several(worker, times=2)
    world.answers = False
    worker.look()
    worker.spool.close()
    again = Worker(world, "one", tmp_path)
    several(again, times=10)
    assert again.sent == []
    world.answers = True
    several(again, times=20)
    assert queue(world) == [f"resolve DatabaseDown {kind}" for kind in CRITICAL]


def test_of_several_workers_the_one_that_led_tells_and_another_only_where_twice_is_once(
    world: World, tmp_path: Path
) -> None:
    first, second = (Worker(world, name, tmp_path) for name in ("one", "two"))
    several(first, second, times=2)
    world.answers = False
    several(first, second, times=20)
    assert first.sent == [f"DatabaseDown {kind}" for kind in CRITICAL]
    assert second.sent == ["DatabaseDown pagerduty"]
    world.answers = True
    several(first, second, times=20)
    ends = [one for one in world.messages if one.message.resolved]
    assert sorted(map(short, ends)) == sorted(f"resolve DatabaseDown {kind}" for kind in CRITICAL)
    assert len({one.message.key for one in ends}) == 1


def test_two_workers_of_one_machine_are_one_in_the_outage(world: World, tmp_path: Path) -> None:
    first, second = (Worker(world, "same", tmp_path) for _ in range(2))
    world.answers = False
    several(first, second, times=20)
    assert first.sent == [f"DatabaseDown {kind}" for kind in CRITICAL]
    assert second.sent == []


@pytest.mark.parametrize("hours", [-2, 2])
def test_clocks_that_differ_by_hours_change_nothing(
    world: World, worker: Worker, hours: int
) -> None:
    world.skew = timedelta(hours=hours)
    world.answers = False
    several(worker, times=4)  # by the machine's clock: it never met the other
    world.answers = True
    several(worker, times=20)
    assert worker.sent == [f"DatabaseDown {kind}" for kind in CRITICAL]
    assert queue(world) == [f"resolve DatabaseDown {kind}" for kind in CRITICAL]
    world.window = replace(GOOD, memory_share=0.9)
    several(worker, times=59)
    assert len(queue(world)) == 3
    several(worker, times=5)
    assert queue(world)[3:] == ["MemoryHigh slack"]


def test_a_wrong_file_is_told_of_and_its_repair(world: World, worker: Worker) -> None:
    worker.config.wrong = "alerting.yml line 3: unknown 'x'"
    several(worker, times=4)
    [message] = [one.message for one in world.messages]
    assert (
        "alerting.yml is not valid, the last good one holds: alerting.yml line 3" in message.title
    )
    worker.config.wrong = ""
    several(worker, times=12)
    assert queue(world) == ["AlertingFileWrong slack", "resolve AlertingFileWrong slack"]


def test_a_channel_in_trouble_is_told_of_over_the_others(world: World, worker: Worker) -> None:
    world.book = Book(troubles=(Trouble(PAGER, 1, 0.0, "answered 400"),))
    worker.look()
    assert [(one.destination, one.message.severity) for one in world.messages] == [
        (SLACK, "critical"),
        (MAIL, "critical"),
    ]
    assert "pagerduty: 1 message lost: answered 400" in world.messages[0].message.title


def test_trouble_of_a_channel_for_warnings_is_a_warning(world: World, worker: Worker) -> None:
    other = Destination("slack", "#gone")
    world.book = Book(troubles=(Trouble(other, 0, 1200.0, "answered 503"),))
    several(worker, times=4)
    assert [(one.destination, one.message.severity) for one in world.messages] == [
        (TEAM, "warning")
    ]


def test_without_an_address_silence_of_all_processes_is_the_application_down(
    world: World, tmp_path: Path
) -> None:
    worker = Worker(world, "one", tmp_path, url=False)
    world.signs = False
    several(worker, times=6)
    assert queue(world) == []  # they may have been starting as well
    worker.look()
    assert queue(world) == [f"AppDown {kind}" for kind in CRITICAL]
    assert "no process that serves pages gave a sign of life in 90 s" in (
        world.messages[0].message.text
    )


def test_after_an_outage_processes_have_time_to_hand_over_their_numbers(
    world: World, tmp_path: Path
) -> None:
    worker = Worker(world, "one", tmp_path, url=False)
    several(worker, times=10)
    world.answers = False
    several(worker, times=20)
    world.answers, world.signs, world.window = True, False, Window()
    several(worker, times=5)
    assert [one for one in queue(world) if "AppDown" in one] == []
    world.signs = True
    several(worker, times=20)
    assert [one for one in queue(world) if "AppDown" in one] == []


def test_numbers_that_can_not_be_read_are_a_broken_rule_and_no_outage(
    world: World, worker: Worker
) -> None:
    def fails(seconds: int, until: datetime) -> Window:
        raise RuntimeError("no such column")

    worker.sensors._samples = Ask(fails)  # type: ignore[assignment]
    several(worker, times=6)
    assert worker.sent == []
    assert set(queue(world)) == {"RuleBroken slack"}
    [message] = [one.message for one in world.messages]
    assert message.title == "production RuleBroken: 7 alerts"
    assert "rule CpuHigh, since" in message.text


def test_a_database_that_fails_its_users_is_down_though_it_answers(
    world: World, worker: Worker
) -> None:
    world.window = replace(GOOD, database_failures=4)
    worker.look()
    assert queue(world) == []
    world.window = replace(GOOD, database_failures=5)
    worker.look()
    assert queue(world) == [f"DatabaseDown {kind}" for kind in CRITICAL]


def test_few_requests_are_no_error_rate(world: World, worker: Worker) -> None:
    world.window = replace(GOOD, requests=19, errors=19)
    worker.look()
    assert queue(world) == []
    world.window = replace(GOOD, requests=20, errors=2)
    worker.look()
    assert queue(world) == [f"ErrorRateHigh {kind}" for kind in CRITICAL]


def test_a_probe_that_fails_once_is_asked_again(world: World, worker: Worker) -> None:
    answers = [DatabaseState.TIMEOUT, DatabaseState.OK]
    world.check = lambda _: answers.pop(0)  # type: ignore[method-assign]
    apps = [AppState(False, "deploying"), AppState(True)]
    worker.sensors._app = Ask(lambda: apps.pop(0))  # type: ignore[assignment]
    worker.sensors._database = Ask(world.check)  # type: ignore[assignment]
    worker.look()
    assert (answers, apps, worker.sent, queue(world)) == ([], [], [], [])


def test_the_rules_of_the_file_hold_from_the_next_look_on(world: World, worker: Worker) -> None:
    world.window = replace(GOOD, disk_free_share=0.2)
    worker.look()
    assert queue(world) == []
    mine = rule("DiskTight", "critical", Condition("disk_free", False, 0.25))
    worker.config.known = make_ruleset([mine])
    worker.look()
    assert queue(world) == [f"DiskTight {kind}" for kind in CRITICAL]


def test_the_numbers_are_those_that_were_agreed() -> None:
    assert (alert_engine.EVERY_SECONDS, alert_engine.LEASE_SECONDS) == (15, 45)
