"""What administrators may ask of the deployment itself, and nobody else."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from mltrading.domain.access import WORKER, Actor, Role
from mltrading.errors import DatabaseUnavailable, Forbidden
from mltrading.services.operations import LOG_PAGE, Limits, Operations
from mltrading.services.ports import DatabaseState, Deployment
from mltrading.services.ports.operations import (
    LIVE,
    Budget,
    Ingest,
    LogQuery,
    LogRecord,
    PipelineMetric,
    Process,
    Timing,
    Usage,
    Window,
)
from mltrading.services.vitals import FRESH_SECONDS, IngestLag, Vitals
from tests.test_services.operations_made import (
    NOON,
    Book,
    Clock,
    Health,
    Machine,
    Samples,
    counts,
)

pytestmark = pytest.mark.smoke

ADMIN = Actor("a", Role.ADMIN.permissions)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MICROSECONDS = 1_000_000
BUDGETS = (
    Budget("chart paint", "", 300.0, "ms", "paint_p75"),
    Budget("callback", "", 50.0, "ms", "callback_p95"),
    Budget("failed answers", "", 1.0, "%", "error_share"),
    Budget("first load", "", 1300.0, "kB"),
)


def operations(samples: Samples | None = None, book: Book | None = None) -> Operations:
    book = book or Book()
    vitals = Vitals(Health(), book, Calendars(), Machine(), Clock())  # type: ignore[arg-type]
    switches = [("features.test_mode", "off", "production.yml")]
    return Operations(samples or Samples(), book, vitals, BUDGETS, switches, Clock(), 5)


class Calendars:
    """Knows sessions of whole days that close at 21:00 UTC, of the exchange X."""

    def get(self, name: str, now: int) -> Any:
        from mltrading.domain.calendar import Calendars as Real

        return Real().get("XNYS", now) if name == "X" else None


ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "history": (DAY,),
    "latency": (DAY,),
    "error_rate": (DAY,),
    "usage": (DAY,),
    "usage_history": ("route", "/", DAY),
    "slowest": (DAY,),
    "experience": (DAY,),
    "log": (LogQuery(),),
}
VERBS = [name for name, _ in inspect.getmembers(Operations, inspect.isfunction) if name[0] != "_"]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_needs_the_right(verb: str) -> None:
    ask: Callable[..., object] = getattr(operations(), verb)
    ask(ADMIN, *ARGUMENTS.get(verb, ()))
    for actor in (
        Actor("v", Role.VIEWER.permissions),
        Actor("n", Role.ANALYST.permissions),
        WORKER,
    ):
        with pytest.raises(Forbidden, match="can_modify_settings"):
            ask(actor, *ARGUMENTS.get(verb, ()))


@pytest.mark.parametrize(
    ("span", "step"),
    [
        (HOUR, 60),
        (6 * HOUR, 60),
        (DAY, 900),
        (7 * DAY, 3600),
        (30 * DAY, 14_400),
        (90 * DAY, 86_400),
    ],
)
def test_a_span_is_shown_as_finely_as_it_can_be_seen(span: timedelta, step: int) -> None:
    samples = Samples()
    operations(samples).history(ADMIN, span)
    assert samples.steps == [step]


def test_latency_and_error_rate_are_of_the_whole_span() -> None:
    samples = Samples(
        {
            NOON - HOUR: Window(requests=90, errors=0, samples=4, latency=counts(*[0.15] * 90)),
            NOON - 2 * HOUR: Window(requests=10, errors=10, samples=4, latency=counts(*[4.0] * 10)),
            NOON - 2 * DAY: Window(requests=10, errors=10, samples=4),
        }
    )
    asked = operations(samples)
    assert asked.error_rate(ADMIN, DAY) == 0.1
    assert 2 < asked.latency(ADMIN, DAY).latency_p95_seconds <= 5


def test_a_page_of_the_log_says_whether_there_is_another() -> None:
    record = LogRecord(NOON, "error", "x", "y")
    asked = operations(book=Book(records=[record] * (LOG_PAGE + 1)))
    assert asked.log(ADMIN, LogQuery()).more
    last = asked.log(ADMIN, LogQuery(page=2))
    assert (len(last.records), last.more) == (1, False)
    assert not operations(book=Book(records=[record] * LOG_PAGE)).log(ADMIN, LogQuery()).more


def test_what_is_searched_is_bounded() -> None:
    book = Book()
    operations(book=book).log(ADMIN, LogQuery(text="  x" * 1000, request_id=" abc ", page=-3))
    assert len(book.asked[0].text) <= 200
    assert (book.asked[0].request_id, book.asked[0].page) == ("abc", 1)


def test_budgets_are_judged_where_they_are_watched_and_something_was_measured() -> None:
    book = Book(
        timed=[(NOON, Timing("/charts", "paint", "", 1.0, counts(0.15, 0.15, 0.15, 0.15)))],
        used=[(NOON, Usage("callback", "a", 1, 0, 0.4, counts(0.4)))],
    )
    states = {one.budget.name: one for one in operations(book=book).budgets(ADMIN)}
    assert states["chart paint"].met is True and 100 < (states["chart paint"].value or 0) <= 200
    assert states["callback"].met is False and (states["callback"].value or 0) > 300
    for name in ("failed answers", "first load"):
        assert (states[name].value, states[name].met) == (None, None)
    assert {one.live for one in BUDGETS} <= {"", *LIVE}


def test_limits_are_those_of_the_budgets_that_are_watched_and_of_the_connections() -> None:
    assert operations().limits(ADMIN) == Limits(None, 1.0, 5)


def test_the_pipeline_is_none_until_it_told_something() -> None:
    assert operations().pipeline(ADMIN) is None
    metric = PipelineMetric("Build time", 6.2, "min", "< 10 min", True, NOON)
    assert operations(book=Book(metrics=[metric])).pipeline(ADMIN) == [metric]


def test_features_are_those_in_force() -> None:
    assert operations().features(ADMIN) == [("features.test_mode", "off", "production.yml")]


# -- how it is now --------------------------------------------------------------------------------


class Counting:
    """A health that counts how often it is asked, and a time that is moved by hand."""

    response_seconds = 0.004

    def __init__(self, state: DatabaseState = DatabaseState.OK) -> None:
        self.state, self.asked, self.seconds = state, 0, 0.0

    def database(self) -> DatabaseState:
        self.asked += 1
        return self.state


def vitals(health: Any, book: Book) -> Vitals:
    return Vitals(
        health,
        book,
        Calendars(),  # type: ignore[arg-type]
        Machine(memory_share=0.5),
        Clock(),
        lambda: float(getattr(health, "seconds", 0.0)),
    )


def test_it_is_read_once_in_ten_seconds_however_many_ask() -> None:
    health = Counting()
    reader = vitals(health, Book())
    first = reader.read()
    assert reader.read() is first
    health.seconds = FRESH_SECONDS
    assert reader.read() is not first
    assert health.asked == 2


@pytest.mark.parametrize("state", [state for state in DatabaseState if not state.current])
def test_an_absent_or_strange_database_is_asked_nothing_more(state: DatabaseState) -> None:
    book = Book()
    found = vitals(Health(state), book).read()
    assert (found.database, found.stored, book.asked) == (state, None, [])


def test_a_database_that_goes_away_in_between_leaves_the_rest() -> None:
    found = vitals(Health(), Book(fails=DatabaseUnavailable("gone"))).read()
    assert (found.stored, found.machine.memory_share) == (None, 0.5)


def at(text: str) -> int:
    from tests.factories import moment

    return moment(text)


def lags(*ingested: Ingest) -> Sequence[IngestLag]:
    stored = vitals(Health(), Book(ingested=list(ingested))).read().stored
    assert stored is not None
    return stored.ingest


@pytest.mark.parametrize(
    ("session", "lag_hours"),
    [
        ("2026-03-03", 0.0),  # Tuesday, which closed 15.5 hours ago
        ("2026-03-02", 15.5),
        ("2026-02-27", 15.5 + 24),  # Friday: Monday's close is what is missed first
    ],
)
def test_the_lag_is_since_the_first_missing_session_closed(session: str, lag_hours: float) -> None:
    ingest = Ingest("feed", at(f"{session}T20:59"), (("X", at(f"{session}T00:00")),))
    [lag] = lags(ingest)
    assert lag.lag_seconds == pytest.approx(lag_hours * 3600)
    assert lag.age_seconds == pytest.approx((NOON.timestamp() - ingest.newest / MICROSECONDS))


def test_a_source_is_as_late_as_its_latest_calendar_and_unknown_without_one() -> None:
    late = ("X", at("2026-03-02T00:00"))
    fresh = ("X", at("2026-03-03T00:00"))
    both, unknown, none = lags(
        Ingest("both", at("2026-03-03T20:59"), (fresh, late, ("UNKNOWN", at("2000-01-01")))),
        Ingest("unknown", at("2026-03-03T20:59"), (("UNKNOWN", at("2000-01-01")),)),
        Ingest("none", at("2026-03-03T20:59"), ()),
    )
    assert both.lag_seconds > 0
    assert unknown.lag_seconds != unknown.lag_seconds
    assert none.lag_seconds != none.lag_seconds


def test_the_newest_deployment_is_told() -> None:
    deployments = [Deployment("production", "0.1.0", "abc", "v2", NOON)] * 3
    found = vitals(Health(), Book(deployed=deployments)).read()
    assert found.stored is not None and len(found.stored.deployments) == 1


# -- what the Ops page asks ----------------------------------------------------------------------


def test_the_slowest_is_first_whatever_it_is_and_what_was_never_timed_is_left_out() -> None:
    hour = NOON.replace(minute=0)
    book = Book(
        used=[
            (hour, Usage("route", "/", 3, 0, 0.1, counts(0.02, 0.02, 0.02))),
            (hour, Usage("callback", "a.data", 1, 0, 2.0, counts(1.5))),
            (hour, Usage("service", "market.chart", 1, 0, 0.4, counts(0.4))),
            (hour, Usage("service", "refused", 1, 1, 0.0, counts())),
            (hour, Usage("page", "/", 9, 0, 0.0, counts(9.0))),
            (hour - 2 * DAY, Usage("route", "/old", 1, 0, 20.0, counts(20.0))),
        ]
    )
    found = operations(book=book).slowest(ADMIN, DAY - HOUR)
    assert [one.name for one in found] == ["a.data", "market.chart", "/"]


def test_the_hours_of_one_name_begin_with_a_whole_one() -> None:
    begins = NOON.replace(minute=0)
    one = Usage("route", "/", 3, 0, 0.1, counts(0.02))
    book = Book(used=[(begins - HOUR, one), (begins - 2 * HOUR, one), (begins, one)])
    found = operations(book=book).usage_history(ADMIN, "route", "/", HOUR)
    assert [at for at, _ in found] == [begins - HOUR, begins]


def test_a_history_begins_with_a_whole_step() -> None:
    """Else its first point is a part that looks like a fall."""
    begins = NOON - timedelta(minutes=30)
    samples = Samples({begins - DAY: Window(requests=7, samples=1)})
    assert operations(samples).history(ADMIN, 7 * DAY)[0][1].requests == 7
    assert operations(samples).history(ADMIN, DAY - HOUR) == []


def test_only_processes_that_told_something_of_late_run() -> None:
    here = Process("web", "web.1", 7, 59.0, None, 1)
    gone = Process("web", "web.1", 8, 61.0, None, 1)
    assert operations(book=Book(running=[here, gone])).processes(ADMIN) == [here]
