"""`mltrading audit verify` as an operator meets it, with heads kept elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mltrading.__main__ import main
from mltrading.adapters.postgres.audit import PostgresAudit
from mltrading.adapters.postgres.operations import PostgresDayBook
from mltrading.adapters.postgres.pool import Database
from mltrading.services.digest import Digest
from mltrading.services.ports.audit import AuditEvent

Sql = Callable[[str], list[tuple[object, ...]]]
Run = Callable[..., tuple[int, str, str]]
OPEN = "ALTER TABLE audit DISABLE TRIGGER ALL;"
CUT = (
    OPEN + "DELETE FROM audit WHERE seq > 3;"
    "UPDATE audit_head SET seq = 3, hash = (SELECT hash FROM audit WHERE seq = 3)"
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def run(
    database_url: str,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Run `audit verify`; its exit code, stdout and stderr."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("MLTRADING_HOME", str(home))

    def run(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["audit", "verify", *map(str, words)])
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, said.out, said.err

    return run


@pytest.fixture
def trail(database: Database) -> PostgresAudit:
    made = PostgresAudit(database)
    made.record_all([AuditEvent("user.add", target=f"t{n}") for n in range(5)])
    return made


def head(sql: Sql, seq: int = 5) -> str:
    [(text,)] = sql(f"SELECT seq || ':' || encode(hash, 'hex') FROM audit WHERE seq = {seq}")
    return str(text)


@pytest.mark.usefixtures("trail")
def test_a_whole_trail_is_told_with_what_it_was_compared(run: Run, sql: Sql, home: Path) -> None:
    code, out, err = run()
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"the audit trail is whole: 5 events, head {head(sql)}",
        "  compared with no head that was kept elsewhere: whether rows are missing at the end is"
        " not known",
    ]
    code, out, _ = run("--head", head(sql, 4))
    assert out.splitlines()[1:] == [
        "  compared with the head of --head: row 4 is in it",
        f"  compared with the head of {home}/audit-heads.json: row 5 is in it",
    ]


@pytest.mark.usefixtures("trail")
def test_json_tells_the_same(run: Run, sql: Sql, home: Path) -> None:
    run()
    code, out, err = run("--json", "--head", head(sql, 2))
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "whole": True,
        "events": 5,
        "head": head(sql),
        "broken": None,
        "compared": {
            "--head": {"head": head(sql, 2), "result": "same"},
            f"{home}/audit-heads.json": {"head": head(sql), "result": "same"},
        },
    }


@pytest.mark.usefixtures("trail")
def test_a_changed_row_is_named_in_one_line(run: Run, sql: Sql) -> None:
    sql(OPEN + "UPDATE audit SET target = 'x' WHERE seq = 2")
    code, out, err = run()
    assert (code, out) == (1, "")
    assert err == (
        "mltrading: the audit trail is broken: row 2 does not fit its hash: somebody changed it\n"
    )
    code, out, err = run("--json")
    assert code == 1
    assert json.loads(out)["broken"]["row"] == 2
    assert err.count("\n") == 1


@pytest.mark.usefixtures("trail")
def test_a_cut_is_told_by_the_head_of_the_last_check(run: Run, sql: Sql, home: Path) -> None:
    assert run()[0] == 0
    file = home / "audit-heads.json"
    assert file.stat().st_mode & 0o777 == 0o600
    remembered = file.read_text()
    sql(CUT)
    for _ in range(2):  # what is broken is not remembered
        code, out, err = run()
        assert (code, out) == (1, "")
        assert f"rows 4 to 5 are missing at the end: {file} knows row 5" in err
        assert "where the database was set back on purpose, remove that file" in err
        assert err.count("\n") == 1
        assert file.read_text() == remembered
    file.unlink()
    assert run()[0] == 0


@pytest.mark.usefixtures("trail")
def test_a_cut_is_told_by_the_head_of_the_daily_digest(
    run: Run, sql: Sql, database: Database
) -> None:
    now = datetime.now(UTC) + timedelta(minutes=1)
    facts = PostgresDayBook(database).facts(now - timedelta(days=1), now)
    [line] = [
        line
        for line in Digest("production", now - timedelta(days=1), now, 0, (), facts)
        .text()
        .splitlines()
        if "trail" in line
    ]
    assert line == f"Audit trail: 5 events, head {head(sql)}"
    kept = line.rpartition(" ")[2]
    assert run("--head", kept)[0] == 0
    sql(CUT)
    code, _, err = run("--head", kept)
    assert code == 1
    assert "rows 4 to 5 are missing at the end" in err


def test_heads_of_several_databases_are_kept_apart(
    run: Run, sql: Sql, home: Path, trail: PostgresAudit
) -> None:
    run()
    file = home / "audit-heads.json"
    [(place, text)] = json.loads(file.read_text()).items()
    assert text == head(sql)
    file.write_text(json.dumps({"another/place": text}))
    trail.record(AuditEvent("user.add"))
    assert "compared with no head" in run()[1]
    assert json.loads(file.read_text()) == {"another/place": text, place: head(sql, 6)}


def test_an_empty_trail_is_whole_and_nothing_is_remembered(run: Run, home: Path) -> None:
    assert run()[1].startswith("the audit trail is whole: 0 events, head 0:\n")
    assert not (home / "audit-heads.json").exists()


@pytest.mark.parametrize("content", ["", "[]", "{}x", '{"a": 1}', '{"a": "x"}'])
def test_a_file_that_somebody_changed_is_no_proof(run: Run, home: Path, content: str) -> None:
    home.mkdir()
    (home / "audit-heads.json").write_text(content)
    code, out, err = run()
    assert (code, out) == (1, "")
    assert "does not hold the heads of earlier checks: look who changed it" in err


@pytest.mark.parametrize("text", ["5", "5:", "0:" + "a" * 64, "5:" + "A" * 64, "٥:" + "a" * 64])
def test_a_head_that_is_none_is_refused(run: Run, text: str) -> None:
    code, _, err = run("--head", text)
    assert code == 2
    assert "must be a number, a colon and 64 characters of 0-9a-f" in err
