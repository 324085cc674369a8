"""The trail in PostgreSQL: rows follow one another whoever writes; nothing is changed unseen."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mltrading.adapters.postgres import audit
from mltrading.adapters.postgres.audit import PostgresAudit, append
from mltrading.adapters.postgres.pool import Database
from mltrading.services.audit import Audit
from mltrading.services.ports.audit import AuditEvent, AuditQuery, Origin, TrailHead
from mltrading.services.trail import AuditVerdict
from tests.trails import ADMIN

Sql = Callable[[str], list[tuple[object, ...]]]

EVENT = AuditEvent("user.role", "sub-a", target="sub-b", details={"role": "viewer"})
HERE = Origin("192.0.2.1", "Firefox")


@pytest.fixture
def trail(database: Database) -> PostgresAudit:
    return PostgresAudit(database)


def verified(trail: PostgresAudit, **kept: TrailHead) -> AuditVerdict:
    return Audit(trail).verify(kept)


def test_events_are_stored_as_they_were_told(trail: PostgresAudit, sql: Sql) -> None:
    trail.record(AuditEvent("session.begin", "sub-a", "refused", "sub-b", {"reason": "code"}, HERE))
    trail.record(AuditEvent("session.end"))
    assert sql("SELECT seq, actor, action, outcome, target, details FROM audit ORDER BY seq") == [
        (1, "sub-a", "session.begin", "refused", "sub-b", '{"reason": "code"}'),
        (2, "anonymous", "session.end", "done", "", "{}"),
    ]
    assert sql("SELECT * FROM audit_origins") == [(1, "192.0.2.1", "Firefox")]
    assert sql("SELECT bool_and(abs(extract(epoch FROM now() - at)) < 60) FROM audit") == [(True,)]
    verdict = verified(trail)
    assert (verdict.broken, verdict.events) == (None, 2)


def test_eight_at_once_make_one_chain_without_a_gap(trail: PostgresAudit, sql: Sql) -> None:
    def some(writer: int) -> None:
        for number in range(25):
            trail.record(AuditEvent("test", f"w{writer}", target=str(number)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(some, range(8)))
    assert sql("SELECT count(*), min(seq), max(seq) FROM audit") == [(200, 1, 200)]
    assert sql("SELECT count(*) FROM audit_head JOIN audit USING (seq, hash)") == [(1,)]
    assert sql(
        "SELECT bool_and(at >= before) FROM (SELECT at, lag(at) OVER (ORDER BY seq) AS before"
        " FROM audit) AS rows"
    ) == [(True,)]
    assert verified(trail).broken is None
    # Each writer's own come in its order.
    assert sql("SELECT string_agg(target, ',' ORDER BY seq) FROM audit WHERE actor = 'w3'") == [
        (",".join(map(str, range(25))),)
    ]


def test_an_event_is_kept_with_its_act_or_not_at_all(
    database: Database, trail: PostgresAudit, sql: Sql
) -> None:
    with pytest.raises(KeyError), database.transaction() as link, link.cursor() as cursor:
        append(cursor, EVENT)
        raise KeyError
    trail.record(EVENT)
    assert sql("SELECT seq FROM audit") == [(1,)]
    assert verified(trail).broken is None


def test_several_of_one_transaction_follow_one_another(trail: PostgresAudit, sql: Sql) -> None:
    trail.record_all([AuditEvent("test", target=str(number)) for number in range(1500)])
    trail.record_all([])
    assert sql("SELECT count(*), bool_and(seq = target::int + 1) FROM audit") == [(1500, True)]
    assert verified(trail).events == 1500


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.text(max_size=40), min_size=4, max_size=4))
def test_whatever_is_told_is_hashed_alike_by_both(
    trail: PostgresAudit, database: Database, texts: list[str]
) -> None:
    """The database hashes when it writes and Python when it verifies: of any text the same."""
    actor, target, key, value = texts
    trail.record(AuditEvent("test", actor, target=target, details={key: value}))
    assert verified(trail).broken is None


def test_what_could_break_a_line_or_fill_the_trail_is_written_as_an_escape(
    trail: PostgresAudit, sql: Sql
) -> None:
    trail.record(
        AuditEvent(
            "test",
            "a\r\n2 b",
            target="\0\ud800\u2028é" + "x" * 1000,
            details={f"k{n:03}\n": "v\n" * 500 for n in range(100)},
            origin=Origin("\0" * 500, "B\r\n" * 500),
        )
    )
    [(actor, target, details)] = sql("SELECT actor, target, details FROM audit")
    assert actor == r"a\r\n2 b"
    assert str(target).startswith(r"\x00\ud800\u2028éxxx") and len(str(target)) == 200
    assert len(str(details)) < 20 * 700
    [(address, browser)] = sql("SELECT address, browser FROM audit_origins")
    assert (len(str(address)), len(str(browser))) == (64, 300)
    for text in (actor, target, details, address, browser):
        assert str(text).isprintable()
    assert verified(trail).broken is None


def test_an_outcome_that_is_none_is_refused(trail: PostgresAudit, sql: Sql) -> None:
    with pytest.raises(psycopg2.errors.CheckViolation):
        trail.record(AuditEvent("test", outcome="maybe"))  # type: ignore[arg-type]
    assert sql("SELECT seq FROM audit_head") == [(0,)]


# Tampering, by somebody who may do everything in the database.

OPEN = "ALTER TABLE audit DISABLE TRIGGER ALL;"


@pytest.mark.parametrize(
    ("tampering", "row", "fault"),
    [
        ("UPDATE audit SET actor = 'x' WHERE seq = 4", 4, "edited"),
        ("UPDATE audit SET at = at - interval '1 microsecond' WHERE seq = 4", 4, "edited"),
        ("UPDATE audit SET at = 'infinity' WHERE seq = 4", 4, "edited"),
        ("UPDATE audit SET action = 'x' WHERE seq = 4", 4, "edited"),
        ("UPDATE audit SET outcome = 'failed' WHERE seq = 4", 4, "edited"),
        ("UPDATE audit SET target = target || ' ' WHERE seq = 4", 4, "edited"),
        ("UPDATE audit SET details = '{}' WHERE seq = 4", 4, "edited"),
        ("UPDATE audit SET hash = sha256('x') WHERE seq = 4", 4, "edited"),
        ("UPDATE audit SET hash = '' WHERE seq = 4", 4, "edited"),
        ("DELETE FROM audit WHERE seq = 4", 4, "missing"),
        ("DELETE FROM audit WHERE seq < 4", 1, "missing"),
        ("DELETE FROM audit WHERE seq = 4; UPDATE audit SET seq = 4 WHERE seq = 5", 4, "edited"),
        ("DELETE FROM audit WHERE seq > 6", 7, "cut off"),
        ("DELETE FROM audit", 1, "cut off"),
        ("UPDATE audit_head SET hash = sha256('x')", 8, "head"),
        ("UPDATE audit_head SET seq = 5", 8, "head"),
        ("UPDATE audit_head SET seq = 9", 9, "cut off"),
        (
            "DELETE FROM audit WHERE seq < 4; UPDATE audit_start SET seq = 3,"
            " hash = (SELECT hash FROM kept WHERE seq = 3)",
            3,
            "start",
        ),
        ("UPDATE audit_start SET seq = 3", 1, "start"),
        ("DELETE FROM audit_head", 8, "head"),
        ("DELETE FROM audit_start; UPDATE audit SET actor = 'x' WHERE seq = 1", 1, "edited"),
        (
            "INSERT INTO audit SELECT -1, at, actor, '', outcome, '', '', '' FROM audit LIMIT 1",
            -1,
            "start",
        ),
    ],
)
def test_each_tampering_is_found_and_named(
    trail: PostgresAudit, sql: Sql, tampering: str, row: int, fault: str
) -> None:
    trail.record_all([EVENT] * 8)
    assert verified(trail).broken is None
    sql("CREATE TABLE kept AS SELECT * FROM audit")
    sql(OPEN + tampering)
    broken = verified(trail).broken
    assert broken is not None
    assert (broken.seq, broken.fault) == (row, fault)


def test_the_end_cut_off_with_its_head_is_found_by_the_head_kept_elsewhere(
    trail: PostgresAudit, sql: Sql
) -> None:
    trail.record_all([EVENT] * 8)
    kept = verified(trail).head
    sql(
        OPEN + "DELETE FROM audit WHERE seq > 6;"
        "UPDATE audit_head SET seq = 6, hash = (SELECT hash FROM audit WHERE seq = 6)"
    )
    assert verified(trail).broken is None
    broken = verified(trail, digest=kept).broken
    assert broken is not None
    assert broken.text == "rows 7 to 8 are missing at the end: digest knows row 8"
    trail.record_all([EVENT] * 3)  # and it goes on as if nothing had been
    assert verified(trail).broken is None
    broken = verified(trail, digest=kept).broken
    assert broken is not None
    assert (broken.seq, broken.fault) == (8, "rewritten")


def test_a_trail_of_any_length_is_read_in_pieces(
    trail: PostgresAudit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "_READ_ROWS", 7)
    trail.record_all([EVENT] * 50)

    def count(_: object, rows: object) -> int:
        return sum(1 for _ in rows)  # type: ignore[attr-defined]

    assert trail.judged(count) == 50
    assert verified(trail).events == 50


def test_one_moment_is_judged_while_others_write(trail: PostgresAudit, database: Database) -> None:
    trail.record_all([EVENT] * 4)

    def judge(state: object, rows: object) -> tuple[object, int]:
        trail.record(EVENT)
        return state, sum(1 for _ in rows)  # type: ignore[attr-defined]

    state, count = trail.judged(judge)
    assert count == 4
    assert verified(trail).events == 5


# Nobody changes rows by the ways that are meant for rows.


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'x'",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "TRUNCATE audit CASCADE",
    ],
)
def test_the_owner_is_refused_too_unless_it_takes_the_trigger_away(
    trail: PostgresAudit, sql: Sql, statement: str
) -> None:
    trail.record(EVENT)
    with pytest.raises(psycopg2.Error) as refused:
        sql(statement)
    assert refused.value.pgcode in ("42501", "0A000")  # ours; a foreign key's, of TRUNCATE
    assert sql("SELECT count(*) FROM audit") == [(1,)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'x'",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "INSERT INTO audit VALUES (2, now(), '', '', 'done', '', '', '')",
        "ALTER TABLE audit DISABLE TRIGGER ALL",
        "DROP TABLE audit",
        "UPDATE audit_head SET seq = 0",
        "DELETE FROM audit_head",
        "UPDATE audit_start SET seq = 1",
        "INSERT INTO audit_origins VALUES (1, '', '')",
        "UPDATE audit_origins SET address = ''",
        "UPDATE erased_subjects SET subject = ''",
        "DELETE FROM erased_subjects",
        "UPDATE schema_version SET version = 0",
        "CREATE TABLE more (n int)",
        "CREATE OR REPLACE FUNCTION audit_stays() RETURNS trigger LANGUAGE sql AS 'SELECT 1'",
        "DROP FUNCTION audit_append",
        "CREATE FUNCTION bent(int, text) RETURNS text LANGUAGE sql AS 'SELECT $2'",
        "SET session_replication_role = replica",
    ],
)
def test_the_applications_role_is_refused(
    trail: PostgresAudit, database_url: str, owner_url: str, sql: Sql, statement: str
) -> None:
    if database_url == owner_url:
        pytest.skip("one role on a server that was given")
    trail.record_all([EVENT, EVENT])
    with psycopg2.connect(database_url) as link, link.cursor() as cursor:
        cursor.execute("SELECT set_config('mltrading.audit_prune', 'on', true)")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(statement)
    link.close()
    assert verified(trail).events == 2


def test_a_temporary_table_can_not_stand_in_for_the_head(
    database_url: str, trail: PostgresAudit, sql: Sql
) -> None:
    trail.record(EVENT)
    with psycopg2.connect(database_url) as link, link.cursor() as cursor:
        cursor.execute(
            "CREATE TEMP TABLE audit_head AS SELECT 1 AS id, 99::bigint AS seq, ''::bytea AS hash"
        )
        cursor.execute("CREATE TEMP TABLE audit AS SELECT 1 AS id")
        cursor.execute("SET LOCAL search_path = pg_temp, public")
        append(cursor, EVENT)
    link.close()
    assert sql("SELECT max(seq) FROM audit") == [(2,)]
    assert verified(trail).broken is None


# Looking for rows.


@pytest.fixture
def searched(trail: PostgresAudit, sql: Sql) -> PostgresAudit:
    sql("INSERT INTO users (subject, email, role) VALUES ('sub-a', 'ann@example.com', 'admin')")
    trail.record_all(
        [
            AuditEvent("user.add", "sub-a", target="sub-b", origin=HERE),
            AuditEvent("user.add_all", "sub-c", target="sub-a", details={"rôle": "50%_x"}),
            AuditEvent("session.begin", outcome="refused", target="sub-a"),
            AuditEvent("user", "sub-a"),
        ]
    )
    return trail


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (AuditQuery(), [4, 3, 2, 1]),
        (AuditQuery(action="user"), [4, 2, 1]),
        (AuditQuery(action="user.add"), [1]),
        (AuditQuery(action="use"), []),
        (AuditQuery(actor="sub-a"), [4, 1]),
        (AuditQuery(actor="Ann@Example.com"), [4, 1]),
        (AuditQuery(actor="bob@example.com"), []),
        (AuditQuery(outcome="refused"), [3]),
        (AuditQuery(text="BEGIN"), [3]),
        (AuditQuery(text="50%_"), [2]),
        (AuditQuery(text="%"), [2]),
        (AuditQuery(text="rôle"), [2]),
        (AuditQuery(text="ann@"), [4, 3, 2, 1]),
        (AuditQuery(text="'; DROP TABLE audit; --"), []),
        (AuditQuery(text="\0\ud800"), []),
        (AuditQuery(since=datetime.now(UTC) + timedelta(days=1)), []),
        (AuditQuery(until=datetime.now(UTC) - timedelta(days=1)), []),
        (AuditQuery(since=datetime.now(UTC) - timedelta(days=1)), [4, 3, 2, 1]),
        (AuditQuery("sub-b", "user", "sub-a", "done"), [1]),
    ],
)
def test_rows_are_found(searched: PostgresAudit, query: AuditQuery, found: list[int]) -> None:
    assert [row.seq for row in searched.find(query, 9)] == found


def test_a_row_is_shown_with_the_names_that_are_known(searched: PostgresAudit, sql: Sql) -> None:
    second, first = searched.find(AuditQuery(), 2, offset=2)
    assert (first.actor, first.actor_email, first.target_email) == ("sub-a", "ann@example.com", "")
    assert first.origin == HERE
    assert (second.actor_email, second.target_email) == ("", "ann@example.com")
    assert second.details == {"rôle": "50%_x"}
    assert second.origin == Origin()
    assert [row.seq for row in searched.find(AuditQuery(), 9, below=3)] == [2, 1]
    sql("UPDATE audit_origins SET address = ''")
    sql(OPEN + "UPDATE audit SET details = 'no JSON'")
    assert searched.find(AuditQuery(), 1)[0].details == {"": "no JSON"}


def test_an_export_is_a_row_and_gives_all_rows(
    trail: PostgresAudit, monkeypatch: pytest.MonkeyPatch, sql: Sql
) -> None:
    monkeypatch.setattr("mltrading.services.audit.EXPORT_ROWS", 10)
    trail.record_all([EVENT] * 25)
    rows = list(Audit(trail).export(ADMIN, AuditQuery(action="user.role"), HERE))
    assert [row.seq for row in rows] == list(range(25, 0, -1))
    assert sql("SELECT actor, action FROM audit WHERE seq = 26") == [(ADMIN.id, "audit.export")]
