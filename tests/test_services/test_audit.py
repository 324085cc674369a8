"""Who may look at the trail, that looking is recorded, and what views of data cost."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from time import perf_counter

import pytest

from mltrading.domain.access import CONSOLE, DEVELOPER, WORKER, Actor
from mltrading.errors import DatabaseUnavailable, Forbidden
from mltrading.services import audit
from mltrading.services.audit import Audit, ViewLog
from mltrading.services.ports.audit import AuditEvent, AuditQuery, Origin
from tests.test_services.job_runs import SetClock
from tests.trails import ADMIN, ANALYST, VIEWER, MemoryTrail

pytestmark = pytest.mark.smoke

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HERE = Origin("192.0.2.1", "Firefox")


@pytest.fixture
def trail() -> MemoryTrail:
    return MemoryTrail()


def filled(trail: MemoryTrail, count: int) -> Audit:
    trail.record_all([AuditEvent("user.add", target=f"t{n}") for n in range(count)])
    return Audit(trail)


@pytest.mark.parametrize("actor", [ANALYST, VIEWER, WORKER])
def test_only_who_may_modify_settings_looks_at_it(trail: MemoryTrail, actor: Actor) -> None:
    service = filled(trail, 1)
    with pytest.raises(Forbidden, match="can_modify_settings"):
        service.search(actor, AuditQuery())
    with pytest.raises(Forbidden, match="can_modify_settings"):
        service.export(actor, AuditQuery(), HERE)
    assert len(trail.events) == 1


def test_pages_follow_one_another(trail: MemoryTrail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "PAGE_ROWS", 4)
    service = filled(trail, 10)
    pages = [service.search(ADMIN, AuditQuery(page=page)) for page in (1, 2, 3)]
    assert [[entry.seq for entry in page.entries] for page in pages] == [
        [10, 9, 8, 7],
        [6, 5, 4, 3],
        [2, 1],
    ]
    assert [page.more for page in pages] == [True, True, False]


@pytest.mark.parametrize(("asked", "given"), [(0, 1), (-(10**30), 1), (10**30, audit.LAST_PAGE)])
def test_a_page_that_can_not_be_is_the_nearest(trail: MemoryTrail, asked: int, given: int) -> None:
    page = filled(trail, 1).search(ADMIN, AuditQuery(page=asked))
    assert page.page == given
    assert trail.asked == [(audit.PAGE_ROWS + 1, (given - 1) * audit.PAGE_ROWS, None)]


def test_an_export_is_recorded_before_its_first_row_and_is_none_of_them(
    trail: MemoryTrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "EXPORT_ROWS", 3)
    rows = filled(trail, 8).export(ADMIN, AuditQuery(action="user.add"), HERE)
    recorded = AuditEvent("audit.export", ADMIN.id, details={"action": "user.add"}, origin=HERE)
    assert trail.events[-1] == recorded
    trail.record(AuditEvent("user.add"))  # what comes meanwhile is not of it
    assert [row.seq for row in rows] == [8, 7, 6, 5, 4, 3, 2, 1]
    assert max(limit for limit, _, _ in trail.asked) == 3


def test_an_export_tells_no_address_to_the_trail(trail: MemoryTrail) -> None:
    query = AuditQuery(actor="ann@example.com", text="ann@example.com", since=NOON)
    filled(trail, 0).export(ADMIN, query, HERE)
    assert trail.events[-1].details == {
        "actor": "an e-mail address",
        "text": "an e-mail address",
        "since": "2026-03-02 12:00:00+00:00",
    }


class Views:
    def __init__(self, trail: MemoryTrail, remembered: int = 100) -> None:
        self.clock = SetClock(NOON)
        self.trail = trail
        self.log = ViewLog(trail, self.clock, remembered)

    def seen(self) -> list[tuple[str, str]]:
        return [(event.actor, event.target) for event in self.trail.events]


def test_a_view_is_noted_with_the_permission_it_was_seen_by(trail: MemoryTrail) -> None:
    views = Views(trail)
    views.log.viewed(ANALYST, ["AAPL"], "charts", HERE)
    views.log.viewed(VIEWER, ["AAPL"], "overview")
    assert trail.events == [
        AuditEvent(
            "data.view",
            ANALYST.id,
            target="AAPL",
            details={"how": "charts", "permission": "can_view_all_data"},
            origin=HERE,
        ),
        AuditEvent(
            "data.view",
            VIEWER.id,
            target="AAPL",
            details={"how": "overview", "permission": "can_view_shared_data"},
        ),
    ]


def test_it_is_noted_once_a_session_symbol_and_hour(trail: MemoryTrail) -> None:
    views = Views(trail)
    other = Actor(VIEWER.id, VIEWER.permissions, role=VIEWER.role, session="another")
    for _ in range(3):
        views.log.viewed(VIEWER, ["AAPL", "MSFT", "AAPL"], "compare")
        views.log.viewed(other, ["AAPL"], "charts")
    assert views.seen() == [(VIEWER.id, code) for code in ("AAPL", "MSFT", "AAPL")]
    views.clock.moment += timedelta(minutes=59)
    views.log.viewed(VIEWER, ["AAPL"], "charts")
    assert len(trail.events) == 3
    views.clock.moment += timedelta(minutes=1)
    views.log.viewed(VIEWER, ["AAPL"], "charts")
    assert len(trail.events) == 4


@pytest.mark.parametrize("actor", [DEVELOPER, WORKER, CONSOLE])
def test_what_no_user_sees_is_not_noted(trail: MemoryTrail, actor: Actor) -> None:
    Views(trail).log.viewed(actor, ["AAPL"], "charts")
    assert trail.events == []


def test_a_view_does_not_fail_with_its_note_and_waits_before_the_next(
    trail: MemoryTrail, caplog: pytest.LogCaptureFixture
) -> None:
    views = Views(trail)
    trail.error = DatabaseUnavailable("the database went away")
    with caplog.at_level(logging.WARNING):
        views.log.viewed(VIEWER, ["AAPL", "MSFT"], "compare")
        views.log.viewed(VIEWER, ["AAPL"], "charts")
    assert caplog.messages == [
        "views of 2 symbols were not noted in the audit trail: the database went away"
    ]
    trail.error = None
    views.clock.moment += timedelta(seconds=61)
    views.log.viewed(VIEWER, ["AAPL"], "charts")
    assert views.seen() == [(VIEWER.id, "AAPL")]


def test_an_error_of_any_kind_does_not_reach_the_view(
    trail: MemoryTrail, caplog: pytest.LogCaptureFixture
) -> None:
    trail.error = RuntimeError("secret of a server")
    Views(trail).log.viewed(VIEWER, ["AAPL"], "charts")
    assert caplog.messages == ["views of 1 symbols were not noted in the audit trail: RuntimeError"]


def test_it_remembers_no_more_than_it_may(trail: MemoryTrail) -> None:
    views = Views(trail, remembered=10)
    for number in range(35):
        views.log.viewed(VIEWER, [f"S{number}"], "charts")
        assert len(views.log._noted) <= 10
    assert len(trail.events) == 35


def test_a_view_that_was_noted_costs_next_to_nothing(trail: MemoryTrail) -> None:
    views = Views(trail, remembered=1000)
    codes = [f"S{number}" for number in range(100)]
    views.log.viewed(VIEWER, codes, "overview")
    started = perf_counter()
    for _ in range(100):
        views.log.viewed(VIEWER, codes, "overview")
    assert (perf_counter() - started) / 100 < 0.001  # some 15 µs
    assert len(trail.events) == 100
