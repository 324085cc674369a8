"""What is let go, in which pieces, when, and what a dry run does."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from mltrading.domain.access import CONSOLE, WORKER
from mltrading.errors import Forbidden, LastAdministrator, UnknownUser
from mltrading.services import retention
from mltrading.services.ports.audit import AuditEvent, Origin
from mltrading.services.ports.privacy import KEPT, Kept
from mltrading.services.privacy import Privacy
from mltrading.services.retention import Retainer, RetentionJob
from tests.trails import ADMIN, ANALYST, VIEWER, MemoryTrail

pytestmark = pytest.mark.smoke

NONE = dict.fromkeys(("accounts", *KEPT), 0)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@dataclass
class Days:
    sessions_days: int = 30
    origins_days: int = 90
    audit_days: int = 2557
    notices_days: int = 365


@dataclass
class MemoryStore:
    """The port PrivacyStore: how many rows of each kind are kept for too long."""

    old: dict[Kept, int] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    erased: list[str] = field(default_factory=list)
    calls: list[tuple[Kept, int, int, str]] = field(default_factory=list)
    events: list[AuditEvent] = field(default_factory=list)
    refuses: str | None = None
    last: str = ""

    def find(self, email: str) -> str | None:
        return self.users.get(email)

    def personal(self, user_id: str) -> dict[str, object] | None:
        return {"account": {"id": user_id}} if user_id in self.users.values() else None

    def erase(self, user_id: str, event: AuditEvent) -> bool:
        if user_id == self.last:
            raise LastAdministrator("this is the last one")
        found = [email for email, known in self.users.items() if known == user_id]
        for email in found:
            del self.users[email]
            self.events.append(event)
        return bool(found)

    def note_erased(self, user_ids: list[str]) -> None:
        self.erased += user_ids

    def risen(self) -> list[str]:
        return [user for user in self.users.values() if user in self.erased]

    def refusal(self, kept: Kept) -> str | None:
        return self.refuses if kept == "audit" else None

    def count(self, kept: Kept, days: int) -> int:
        return self.old.get(kept, 0)

    def let_go(self, kept: Kept, days: int, rows: int, actor: str) -> int:
        self.calls.append((kept, days, rows, actor))
        gone = min(rows, self.old.get(kept, 0))
        self.old[kept] = self.old.get(kept, 0) - gone
        return gone


def test_rows_go_in_batches_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH_ROWS", 10)
    store = MemoryStore({"sessions": 25, "origins": 10})
    outcome = Retainer(store, Days()).run(WORKER)
    assert outcome.gone == NONE | {"sessions": 25, "origins": 10}
    assert outcome.complete
    assert str(outcome) == "25 sessions, 10 origins"
    assert [call for call in store.calls if call[0] == "sessions"] == [
        ("sessions", 30, 10, "worker")
    ] * 3
    assert [(kept, days) for kept, days, _, _ in store.calls[3:]] == [
        ("links", 30),
        ("origins", 90),
        ("origins", 90),  # a full batch may not have been the last
        ("notices", 365),
        ("firings", 365),
        ("audit", 2557),
    ]


def test_a_dry_run_only_counts() -> None:
    store = MemoryStore({"sessions": 25, "audit": 3}, {"a@b.c": "s1"}, ["s1"])
    outcome = Retainer(store, Days()).run(WORKER, dry_run=True)
    assert outcome.gone == NONE | {"accounts": 1, "sessions": 25, "audit": 3}
    assert (store.calls, store.users) == ([], {"a@b.c": "s1"})


def test_no_days_are_for_ever() -> None:
    store = MemoryStore({"sessions": 25, "audit": 3})
    outcome = Retainer(store, Days(sessions_days=0, audit_days=0)).run(WORKER)
    forever = {"sessions": "kept for ever", "links": "kept for ever", "audit": "kept for ever"}
    assert outcome.skipped == forever
    assert [kept for kept, *_ in store.calls] == ["origins", "notices", "firings"]


def test_what_the_role_may_not_is_skipped_with_its_reason() -> None:
    store = MemoryStore({"audit": 3}, refuses="the role app may not; it needs DATABASE_OWNER_URL")
    outcome = Retainer(store, Days()).run(WORKER)
    assert "audit" not in outcome.gone
    assert str(outcome) == (
        "nothing was kept for too long; audit skipped: the role app may not; it needs"
        " DATABASE_OWNER_URL"
    )
    store.old = {}  # where there is nothing to give up, nobody is told that it could not be
    assert str(Retainer(store, Days()).run(WORKER)) == "nothing was kept for too long"


def test_the_worker_stops_before_its_claim_ends_and_goes_on_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retention, "BATCH_ROWS", 10)
    monkeypatch.setattr(retention, "JOB_BATCHES", 6)
    store = MemoryStore({"sessions": 125})
    job = RetentionJob(Retainer(store, Days()))
    states = [job.perform("database", NOON).state for _ in range(3)]
    assert states == ["retry", "retry", "delivered"]
    assert sum(store.old.values()) == 0


def test_it_is_due_at_three_and_what_was_missed_is_caught_up_with() -> None:
    job = RetentionJob(Retainer(MemoryStore(), Days()))
    three = NOON.replace(hour=3)
    assert job.due(NOON) == three
    assert job.due(three) == three
    assert job.due(three - timedelta(microseconds=1)) == three - timedelta(days=1)


def make_privacy(store: MemoryStore, confirm: object = None) -> tuple[Privacy, MemoryTrail]:
    trail = MemoryTrail()
    return Privacy(store, trail, confirm, Retainer(store, Days())), trail  # type: ignore[arg-type]


def test_accounts_that_a_backup_brought_back_go_again() -> None:
    store = MemoryStore({}, {"a@b.c": "s1", "b@b.c": "s2", "c@b.c": "s3"}, ["s1"], last="s3")
    privacy, _ = make_privacy(store)
    outcome = privacy.retain(CONSOLE, False, ["s2", "s3"])
    assert outcome.gone["accounts"] == 2
    assert store.users == {"c@b.c": "s3"}
    assert outcome.skipped == {"accounts": "s3 has to go again, but this is the last one"}
    assert [(event.action, event.target, event.details) for event in store.events] == [
        ("user.erase", "s1", {"again": "yes"}),
        ("user.erase", "s2", {"again": "yes"}),
    ]


def test_a_dry_run_notes_nobody_as_erased() -> None:
    store = MemoryStore({}, {"a@b.c": "s1"})
    make_privacy(store)[0].retain(CONSOLE, True, ["s1"])
    assert (store.erased, store.users) == ([], {"a@b.c": "s1"})


def test_only_who_may_modify_settings_does_it_to_others() -> None:
    privacy, trail = make_privacy(MemoryStore({}, {"a@b.c": "s1"}))
    for actor in (ANALYST, VIEWER, WORKER):
        with pytest.raises(Forbidden, match="can_modify_settings"):
            privacy.find(actor, "a@b.c")
        with pytest.raises(Forbidden, match="can_modify_settings"):
            privacy.export_of(actor, "s1", Origin())
        with pytest.raises(Forbidden, match="can_modify_settings"):
            privacy.erase(actor, "s1", Origin())
        with pytest.raises(Forbidden, match="can_modify_settings"):
            privacy.retain(actor, True)
        with pytest.raises(Forbidden, match="can_modify_settings"):
            privacy.erase_again(actor)
    assert trail.events == []


class Confirms:
    def __init__(self) -> None:
        self.asked: list[str] = []

    def confirm(self, actor: object, password: str, origin: Origin) -> None:
        self.asked.append(password)
        if password != "right":
            raise Forbidden("that is not your password")


def test_ones_own_data_is_given_to_who_knows_the_password_and_recorded() -> None:
    confirms = Confirms()
    privacy, trail = make_privacy(MemoryStore({}, {"v@b.c": VIEWER.id}), confirms)
    with pytest.raises(Forbidden, match="not your password"):
        privacy.export(VIEWER, "wrong", Origin("192.0.2.1"))
    assert trail.events == []
    assert privacy.export(VIEWER, "right", Origin("192.0.2.1")) == {"account": {"id": VIEWER.id}}
    assert trail.events == [
        AuditEvent("privacy.export", VIEWER.id, target=VIEWER.id, origin=Origin("192.0.2.1"))
    ]
    assert confirms.asked == ["wrong", "right"]


def test_where_nobody_signs_in_nobody_has_data_of_their_own() -> None:
    with pytest.raises(Forbidden, match="nobody signs in"):
        make_privacy(MemoryStore())[0].export(CONSOLE, "", Origin())


def test_who_is_not_there_is_named() -> None:
    privacy, trail = make_privacy(MemoryStore({}, {"a@b.c": "s1"}))
    assert privacy.find(CONSOLE, " A@b.c ") == "s1"
    with pytest.raises(UnknownUser, match="no account of 'x@b.c'"):
        privacy.find(CONSOLE, "x@b.c")
    with pytest.raises(UnknownUser):
        privacy.export_of(CONSOLE, "s9", Origin())
    with pytest.raises(UnknownUser):
        privacy.erase(CONSOLE, "s9", Origin())
    assert trail.events == []


def test_who_erases_the_own_account_leaves_no_address_behind() -> None:
    store = MemoryStore({}, {"a@b.c": ADMIN.id, "v@b.c": VIEWER.id})
    privacy, _ = make_privacy(store)
    here = Origin("192.0.2.1", "Firefox")
    privacy.erase(ADMIN, VIEWER.id, here)
    privacy.erase(ADMIN, ADMIN.id, here)
    assert [(event.target, event.origin) for event in store.events] == [
        (VIEWER.id, here),
        (ADMIN.id, Origin()),
    ]
