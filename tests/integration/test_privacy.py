"""What is kept about a person, on a real database: all of it is shown, goes, and stays gone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest

from mltrading.__main__ import main
from mltrading.adapters.postgres.audit import PostgresAudit
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.postgres.privacy import PostgresPrivacy
from mltrading.domain.access import CONSOLE, WORKER
from mltrading.errors import (
    Forbidden,
    LastAdministrator,
    SignInRefused,
    UnknownUser,
    WrongPassword,
)
from mltrading.services import retention
from mltrading.services.audit import Audit
from mltrading.services.ports.audit import AuditEvent, Origin
from mltrading.services.ports.privacy import KEPT
from mltrading.services.privacy import Privacy
from mltrading.services.retention import Retained, Retainer
from tests.database_fixtures import execute
from tests.identities import HOME, PASSWORD, People

Sql = Callable[[str], list[tuple[object, ...]]]
Run = Callable[..., tuple[int, str, str]]
NONE = dict.fromkeys(("accounts", *KEPT), 0)
HERE, THERE = Origin("192.0.2.1", "Firefox"), Origin("192.0.2.2", "Chromium")
PEOPLE = """
    INSERT INTO users (subject, email, role, password_hash, totp_secret) VALUES
        ('sub-root', 'root@example.com', 'admin', 'hash-root', 'totp-root'),
        ('sub-ann', 'ann@example.com', 'analyst', 'hash-ann', 'totp-ann'),
        ('sub-bob', 'bob@example.com', 'viewer', NULL, NULL);
    INSERT INTO sessions (token_hash, id, road, user_id, expires_at, address, browser)
        SELECT sha256(subject::bytea), 'session ' || subject, 'password', id,
            now() + interval '8 hours', '192.0.2.1', 'Firefox' FROM users;
    INSERT INTO password_links (token_hash, user_id, expires_at)
        SELECT sha256(subject::bytea), id, now() + interval '1 day' FROM users"""
EVENTS = [
    AuditEvent("session.begin", "sub-ann", target="session sub-ann", origin=HERE),
    AuditEvent("session.begin", outcome="refused", target="sub-ann", origin=THERE),
    AuditEvent(
        "user.role", "sub-root", target="sub-ann", details={"role": "analyst"}, origin=THERE
    ),
    AuditEvent("session.begin", "sub-bob", target="session sub-bob", origin=HERE),
    AuditEvent("session.begin", outcome="refused", target="sub-bob", origin=HERE),
]


@dataclass
class Days:
    sessions_days: int = 30
    origins_days: int = 90
    audit_days: int = 2557
    notices_days: int = 365


@pytest.fixture
def people(sql: Sql, database: Database) -> None:
    sql(PEOPLE)
    PostgresAudit(database).record_all(EVENTS)


@pytest.fixture
def run(
    database_url: str,
    owner_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Run a command line; its exit code, stdout and stderr."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("MLTRADING_HOME", str(tmp_path))

    def run(*words: object, owner: bool = False) -> tuple[int, str, str]:
        if owner:
            monkeypatch.setenv("DATABASE_OWNER_URL", owner_url)
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, said.out, said.err

    return run


def is_whole(database: Database) -> bool:
    return Audit(PostgresAudit(database)).verify().broken is None


# What is kept.


@pytest.mark.usefixtures("people")
def test_everything_of_the_user_is_exported_and_nothing_of_others(run: Run, sql: Sql) -> None:
    code, out, err = run("privacy", "export", "Ann@example.com", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    account = found["account"]
    assert {key: account[key] for key in ("id", "email", "role", "has_second_factor")} == {
        "id": "sub-ann",
        "email": "ann@example.com",
        "role": "analyst",
        "has_second_factor": True,
    }
    assert [one["address"] for one in found["sessions"]] == ["192.0.2.1"]
    assert len(found["password_links"]) == 1
    told = [(row["by"], row["action"], row["target"], row["address"]) for row in found["audit"]]
    assert told == [
        ("you", "session.begin", "session sub-ann", "192.0.2.1"),
        ("anonymous", "session.begin", "you", "192.0.2.2"),
        ("somebody else", "user.role", "you", None),
        ("somebody else", "privacy.export", "you", None),
    ]
    for secret in ("hash-ann", "totp-ann", "root", "bob", "token"):
        assert secret not in out
    assert sql("SELECT actor, action, target FROM audit WHERE seq = 6") == [
        ("console", "privacy.export", "sub-ann")
    ]


@pytest.mark.usefixtures("people")
def test_every_table_with_a_user_is_exported(sql: Sql, database: Database) -> None:
    """A table that a later migration adds must be thought of."""
    tables = sql(
        "SELECT DISTINCT conrelid::regclass::text FROM pg_constraint"
        " WHERE contype = 'f' AND confrelid = 'users'::regclass ORDER BY 1"
    )
    found = PostgresPrivacy(database).personal("sub-ann")
    assert found is not None
    assert {str(name) for (name,) in tables} <= found.keys()


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("verb", ["export", "erase"])
def test_somebody_unknown_is_said_in_one_line(run: Run, verb: str, sql: Sql) -> None:
    code, out, err = run("privacy", verb, "x@example.com")
    assert (code, out) == (1, "")
    assert err == "mltrading: no account of 'x@example.com'; mltrading users list shows all\n"
    assert sql("SELECT count(*) FROM audit") == [(5,)]


# That it goes.


@pytest.mark.usefixtures("people")
def test_an_erased_user_leaves_a_whole_trail_that_leads_to_nobody(
    run: Run, sql: Sql, database: Database
) -> None:
    before = sql("SELECT * FROM audit ORDER BY seq")
    code, out, err = run("privacy", "erase", "ann@example.com")
    assert (code, err) == (0, "")
    assert out == "erased; the audit trail goes on to name sub-ann, which leads to nobody\n"
    for table in ("users", "sessions", "password_links"):
        assert sql(f"SELECT count(*) FROM {table}") == [(2,)]
    assert sql("SELECT seq, address FROM audit_origins ORDER BY seq") == [
        (3, "192.0.2.2"),  # of the administrator
        (4, "192.0.2.1"),
        (5, "192.0.2.1"),
    ]
    assert sql("SELECT * FROM audit WHERE seq < 6 ORDER BY seq") == before
    assert sql("SELECT actor, action, target, outcome FROM audit WHERE seq >= 6") == [
        ("console", "user.erase", "sub-ann", "done")
    ]
    assert sql("SELECT subject FROM erased_subjects") == [("sub-ann",)]
    assert is_whole(database)
    dump = " ".join(
        str(sql(f"SELECT * FROM {name}"))
        for (name,) in sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    )
    assert "ann@example.com" not in dump and "hash-ann" not in dump
    assert "bob@example.com" in dump


@pytest.mark.usefixtures("people")
def test_an_erasure_that_can_not_be_recorded_does_not_happen(database: Database, sql: Sql) -> None:
    event = AuditEvent("user.erase", outcome="maybe")  # type: ignore[arg-type]
    with pytest.raises(psycopg2.errors.CheckViolation):
        PostgresPrivacy(database).erase("sub-ann", event)
    assert sql("SELECT count(*) FROM users") == [(3,)]
    assert sql("SELECT count(*) FROM audit_origins") == [(5,)]
    assert sql("SELECT count(*) FROM erased_subjects") == [(0,)]


@pytest.mark.usefixtures("people")
def test_the_last_administrator_stays(run: Run, sql: Sql) -> None:
    code, _, err = run("privacy", "erase", "root@example.com")
    assert code == 1
    assert err == (
        "mltrading: this is the last administrator who may sign in; make another one first\n"
    )
    sql("UPDATE users SET role = 'admin', disabled_at = now() WHERE subject = 'sub-ann'")
    assert run("privacy", "erase", "root@example.com")[0] == 1  # the other one may not sign in
    sql("UPDATE users SET disabled_at = NULL WHERE subject = 'sub-ann'")
    assert run("privacy", "erase", "root@example.com")[0] == 0


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE users SET role = 'viewer' WHERE subject = 'sub-root'",
        "UPDATE users SET disabled_at = now() WHERE subject = 'sub-root'",
        "DELETE FROM users WHERE subject = 'sub-root'",
        "UPDATE users SET role = 'viewer'",
        "DELETE FROM users",
    ],
)
@pytest.mark.parametrize("administrators", [1, 2])
def test_the_database_itself_keeps_one_administrator(
    database_url: str, sql: Sql, statement: str, administrators: int
) -> None:
    if administrators == 2:
        sql("UPDATE users SET role = 'admin' WHERE subject = 'sub-ann'")
    if administrators == 2 and "WHERE" in statement:
        execute(database_url, statement)
        return
    with pytest.raises(psycopg2.errors.RestrictViolation, match="nobody could administrate"):
        execute(database_url, statement)


@pytest.mark.usefixtures("people")
def test_what_is_no_loss_of_the_last_administrator_is_not_refused(database_url: str) -> None:
    execute(database_url, "UPDATE users SET role = role, password_hash = 'new', disabled_at = NULL")
    execute(database_url, "DELETE FROM users WHERE role <> 'admin'")


@pytest.mark.usefixtures("people")
def test_two_administrators_who_go_at_once_do_not_both_go(database: Database, sql: Sql) -> None:
    sql("UPDATE users SET role = 'admin' WHERE subject = 'sub-ann'")
    store = PostgresPrivacy(database)

    def erase(user_id: str) -> bool:
        try:
            return store.erase(user_id, AuditEvent("user.erase", target=user_id))
        except LastAdministrator:
            return False

    with ThreadPoolExecutor(2) as pool:
        gone = list(pool.map(erase, ["sub-root", "sub-ann"]))
    assert sorted(gone) == [False, True]
    assert sql("SELECT count(*) FROM users WHERE role = 'admin'") == [(1,)]


@pytest.mark.usefixtures("people")
def test_an_erasure_survives_a_backup_that_is_put_back(
    run: Run, sql: Sql, database: Database
) -> None:
    """By the note, where it was put back as well, and by the name that the digest told."""
    sql("CREATE TABLE backup AS SELECT * FROM users")
    for email in ("ann@example.com", "bob@example.com"):
        assert run("privacy", "erase", email)[0] == 0
    sql("INSERT INTO users OVERRIDING SYSTEM VALUE SELECT * FROM backup ON CONFLICT DO NOTHING")
    code, out, _ = run("privacy", "retain", "--dry-run", "--json")
    assert json.loads(out)["rows"]["accounts"] == 2
    assert sql("SELECT count(*) FROM users") == [(3,)]
    assert run("release")[0] == 0
    assert sql("SELECT subject FROM users") == [("sub-root",)]
    assert sql('SELECT count(*) FROM audit WHERE details = \'{"again": "yes"}\'') == [(2,)]

    sql("INSERT INTO users OVERRIDING SYSTEM VALUE SELECT * FROM backup ON CONFLICT DO NOTHING")
    sql("DELETE FROM erased_subjects")  # a backup of before the erasure holds no note of it
    code, out, _ = run("privacy", "retain", "--erased", "sub-ann", "sub-bob", "--json")
    assert json.loads(out)["rows"]["accounts"] == 2
    assert sql("SELECT subject FROM users") == [("sub-root",)]
    assert sql("SELECT count(*) FROM erased_subjects") == [(2,)]
    assert is_whole(database)


# That it goes in time.

AGES = """
    UPDATE sessions SET expires_at = now() - interval '29 days' WHERE id = 'session sub-ann';
    UPDATE sessions SET expires_at = now() - interval '31 days' WHERE id = 'session sub-bob';
    UPDATE password_links SET expires_at = now() - interval '31 days';
    ALTER TABLE audit DISABLE TRIGGER ALL"""


def retain(
    database: Database, owner: Database | None = None, dry_run: bool = False, **days: int
) -> Retained:
    return Retainer(PostgresPrivacy(database, owner), Days(**days)).run(WORKER, dry_run=dry_run)


def grow_old(sql: Sql, rows: str, days: int) -> None:
    """Move rows of the trail back in time, and hash it anew as if they had been made then."""
    sql(f"""ALTER TABLE audit DISABLE TRIGGER ALL;
        CREATE TEMP TABLE made AS SELECT * FROM audit ORDER BY seq;
        CREATE TEMP TABLE origins AS SELECT * FROM audit_origins;
        UPDATE made SET at = at - interval '{days} days' WHERE {rows};
        DELETE FROM audit_origins; DELETE FROM audit;
        INSERT INTO audit SELECT * FROM made; INSERT INTO audit_origins SELECT * FROM origins;
        DO $$
        DECLARE one audit; before bytea := (SELECT hash FROM audit_start); field text; fields text;
        BEGIN
            FOR one IN SELECT * FROM audit ORDER BY seq LOOP
                fields := '';
                FOREACH field IN ARRAY ARRAY[one.seq::text,
                    to_char(one.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                    one.actor, one.action, one.outcome, one.target, one.details] LOOP
                    fields := fields || octet_length(convert_to(field, 'UTF8'))
                        || ':' || field || ',';
                END LOOP;
                before := sha256(convert_to(octet_length(before) || ':', 'UTF8') || before
                    || convert_to(',' || fields, 'UTF8'));
                UPDATE audit SET hash = before WHERE seq = one.seq;
            END LOOP;
            UPDATE audit_head SET hash = before;
        END $$;
        ALTER TABLE audit ENABLE TRIGGER ALL""")


@pytest.fixture
def owner(owner_url: str) -> Iterator[Database]:
    pool = Database(owner_url)
    yield pool
    pool.close()


def contents(sql: Sql) -> str:
    tables = ("users", "sessions", "password_links", "audit", "audit_origins", "audit_start")
    return str(
        [sql(f"SELECT row_to_json({table})::text FROM {table} ORDER BY 1") for table in tables]
    )


@pytest.mark.usefixtures("people")
def test_what_is_older_than_its_days_goes_and_the_rest_stays(
    database: Database, owner: Database, sql: Sql
) -> None:
    sql(AGES)
    grow_old(sql, "seq <= 3", 91)
    assert is_whole(database)
    before = contents(sql)
    counted = retain(database, owner, dry_run=True)
    assert contents(sql) == before
    outcome = retain(database, owner)
    assert outcome.gone == counted.gone
    assert outcome.gone == NONE | {"sessions": 1, "links": 3, "origins": 3}
    assert outcome.skipped == {}
    assert sql("SELECT id FROM sessions ORDER BY id") == [
        ("session sub-ann",),
        ("session sub-root",),
    ]
    assert sql("SELECT seq FROM audit_origins ORDER BY seq") == [(4,), (5,)]
    assert sql("SELECT actor, action, target, details FROM audit WHERE seq > 5 ORDER BY seq") == [
        ("worker", "privacy.retain", "sessions", '{"days": "30", "rows": "1"}'),
        ("worker", "privacy.retain", "links", '{"days": "30", "rows": "3"}'),
        ("worker", "privacy.retain", "origins", '{"days": "90", "rows": "3"}'),
    ]
    assert is_whole(database)
    assert retain(database, owner).gone == dict.fromkeys(outcome.gone, 0)
    assert sql("SELECT count(*) FROM audit") == [(8,)]


@pytest.mark.usefixtures("people")
def test_the_oldest_of_the_trail_goes_in_batches_and_it_stays_whole(
    database: Database, owner: Database, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH_ROWS", 2)
    grow_old(sql, "seq <= 3", 3000)
    kept = Audit(PostgresAudit(database)).verify().head
    old, three = (
        Audit(PostgresAudit(database)).verify().head,
        sql("SELECT encode(hash, 'hex') FROM audit WHERE seq = 3")[0][0],
    )
    assert retain(database, owner, dry_run=True).gone["audit"] == 3
    assert retain(database, owner, origins_days=0).gone["audit"] == 3
    assert sql("SELECT min(seq) FROM audit") == [(4,)]
    assert sql("SELECT seq, encode(hash, 'hex') FROM audit_start") == [(3, three)]
    assert sql("SELECT min(seq) FROM audit_origins") == [(4,)]
    told = sql("SELECT actor, details FROM audit WHERE action = 'audit.prune' ORDER BY seq")
    assert [json.loads(str(details))["seq"] for _, details in told] == ["2", "3"]
    verdict = Audit(PostgresAudit(database)).verify({"digest": kept, "old": old})
    assert (verdict.broken, verdict.events) == (None, 4)
    assert verdict.compared == {"digest": "same", "old": "same"}


@pytest.mark.usefixtures("people")
def test_a_row_that_is_newer_keeps_those_behind_it(
    database: Database, owner: Database, sql: Sql
) -> None:
    """A clock that was wrong for a moment leaves no hole in the trail."""
    grow_old(sql, "seq IN (1, 3, 4)", 3000)
    for dry_run in (True, False):
        assert retain(database, owner, dry_run=dry_run).gone["audit"] == 1
    assert sql("SELECT min(seq) FROM audit") == [(2,)]
    assert is_whole(database)


@pytest.mark.usefixtures("people")
def test_a_trail_that_is_all_old_begins_with_the_row_that_tells(
    database: Database, owner: Database, sql: Sql
) -> None:
    grow_old(sql, "true", 3000)
    assert retain(database, owner, dry_run=True, origins_days=0).gone["audit"] == 5
    assert retain(database, owner, origins_days=0).gone["audit"] == 5
    assert sql("SELECT seq, action FROM audit") == [(6, "audit.prune")]
    assert is_whole(database)


@pytest.mark.usefixtures("people")
def test_the_application_alone_can_not_give_up_any_of_it(
    database: Database, database_url: str, owner_url: str, sql: Sql
) -> None:
    if database_url == owner_url:
        pytest.skip("one role on a server that was given")
    grow_old(sql, "true", 3000)
    for dry_run in (True, False):
        outcome = retain(database, dry_run=dry_run, origins_days=0)
        assert "audit" not in outcome.gone
        assert outcome.skipped["audit"] == (
            "the role mltrading_app may not; it needs DATABASE_OWNER_URL"
        )
    assert sql("SELECT count(*) FROM audit") == [(5,)]


@pytest.mark.usefixtures("people")
def test_batches_are_of_bounded_size(
    database: Database, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH_ROWS", 10)
    sql("""INSERT INTO sessions (token_hash, id, road, user_id, expires_at, address, browser)
        SELECT sha256(n::text::bytea), n::text, 'password', (SELECT min(id) FROM users),
            now() - interval '40 days', '', '' FROM generate_series(1, 34) AS n""")
    assert retain(database, audit_days=0).gone["sessions"] == 34
    assert sql("SELECT details FROM audit WHERE seq > 5 ORDER BY seq") == [
        (f'{{"days": "30", "rows": "{rows}"}}',) for rows in (10, 10, 10, 4)
    ]


@pytest.mark.usefixtures("people")
def test_two_at_once_let_go_each_row_once(
    database: Database, owner: Database, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH_ROWS", 1)
    grow_old(sql, "seq <= 4", 3000)
    with ThreadPoolExecutor(3) as pool:
        outcomes = list(pool.map(lambda _: retain(database, owner, origins_days=0), range(3)))
    assert sum(outcome.gone["audit"] for outcome in outcomes) == 4
    assert is_whole(database)


@pytest.mark.usefixtures("people")
def test_the_command_reports_what_it_did_and_what_it_left(run: Run, sql: Sql) -> None:
    sql(AGES)
    code, out, err = run("privacy", "retain", "--dry-run")
    assert (code, err) == (0, "")
    assert out.splitlines()[:3] == [
        "accounts: 0 would be let go",
        "sessions: 1 would be let go",
        "links: 3 would be let go",
    ]
    code, out, _ = run("privacy", "retain", "--json", owner=True)
    assert json.loads(out) == {
        "dry_run": False,
        "rows": NONE | {"sessions": 1, "links": 3},
        "skipped": {},
    }
    assert sql("SELECT DISTINCT actor FROM audit WHERE action = 'privacy.retain'") == [
        (CONSOLE.id,)
    ]


def test_days_are_settings(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("SESSIONS", "ORIGINS", "AUDIT", "NOTICES"):
        monkeypatch.setenv(f"MLTRADING_KEEP_{kind}_DAYS", "0")
    code, out, _ = run("privacy", "retain", "--json")
    assert json.loads(out)["skipped"] == dict.fromkeys(KEPT, "kept for ever")
    monkeypatch.setenv("MLTRADING_KEEP_AUDIT_DAYS", "-1")
    code, _, err = run("privacy", "retain")
    assert code == 1
    assert err.startswith("mltrading: MLTRADING_KEEP_AUDIT_DAYS must be a whole number of days")


# With those who sign in.


def test_a_user_takes_the_own_data_away_and_is_nobody_once_erased(
    database: Database, sql: Sql
) -> None:
    people = People(database)
    people.add("root", "admin")
    people.add("ann", "analyst")
    ann = people.sign_in("ann")
    store = PostgresPrivacy(database)
    privacy = Privacy(store, people.trail, people.identity, Retainer(store, Days()))
    with pytest.raises(WrongPassword):
        privacy.export(ann.actor, "another password", HOME)
    found = privacy.export(ann.actor, PASSWORD, HOME)
    text = json.dumps(found)
    assert "ann@example.com" in text and "203.0.113.7" in text
    for (secret,) in sql("SELECT password_hash FROM users"):
        assert str(secret) not in text
    with pytest.raises(Forbidden):  # an administrator without a second factor may nothing yet
        privacy.export(people.sign_in("root").actor, PASSWORD, HOME)
    privacy.erase(CONSOLE, ann.actor.id, HOME)
    assert people.identity.actor(ann.token) is None
    with pytest.raises(SignInRefused):
        people.sign_in("ann")
    with pytest.raises(UnknownUser):
        privacy.export(ann.actor, PASSWORD, HOME)
    assert "ann@example.com" not in people.everything()


@pytest.mark.usefixtures("people")
def test_where_there_is_one_role_it_gives_up_the_oldest_too(owner: Database, sql: Sql) -> None:
    grow_old(sql, "seq <= 2", 3000)
    assert retain(owner).gone["audit"] == 2
    assert sql("SELECT min(seq) FROM audit") == [(3,)]
    assert is_whole(owner)
