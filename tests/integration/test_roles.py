"""Two roles on one database: the owner migrates, the application reads and writes rows."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from mltrading.__main__ import main
from mltrading.adapters.postgres import grants
from mltrading.adapters.postgres.embedded import EmbeddedServer
from mltrading.adapters.postgres.migrate import FOLDER, migrations, upgrade
from mltrading.errors import ConfigurationError
from tests.database_fixtures import FAST, execute

pytestmark = pytest.mark.database

Run = Callable[..., tuple[int, str, str]]
APP, OWNER = "mlt_test_app", 'mlt test "owner"'
QUOTED = '"mlt test ""owner"""'
RIGHTS = """SELECT table_name, string_agg(privilege_type, ' ' ORDER BY privilege_type)
    FROM information_schema.table_privileges WHERE grantee = '{}' GROUP BY 1 ORDER BY 1"""


@pytest.fixture
def two(empty_database_url: str, server_url: str) -> Iterator[tuple[str, str]]:
    """(application's, owner's) URL of an empty database whose owner is no superuser."""
    if "@" not in empty_database_url or "host=/" not in empty_database_url:
        pytest.skip("roles are made on our own server only")
    name = empty_database_url.partition("?")[0].rpartition("/")[2]
    quoted = OWNER.replace('"', '""')
    for role in (APP, quoted):
        execute(
            server_url,
            f"""DO $$ BEGIN CREATE ROLE "{role}" LOGIN;
            EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$""",
        )
    execute(server_url, f'ALTER DATABASE {name} OWNER TO "{quoted}"')
    execute(empty_database_url, f'ALTER SCHEMA public OWNER TO "{quoted}"')
    owner = grants.with_role(empty_database_url, "mlt%20test%20%22owner%22")
    yield grants.with_role(empty_database_url, APP), owner


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run a command line with variables; its exit code, stdout and stderr."""

    def run(*words: object, **variables: str) -> tuple[int, str, str]:
        monkeypatch.setenv("MLTRADING_HOME", str(tmp_path))
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, said.out, said.err

    return run


def test_the_owner_migrates_and_the_application_gets_its_rights(
    two: tuple[str, str], run: Run, tmp_path: Path
) -> None:
    application, owner = two
    both = {"DATABASE_URL": application, "DATABASE_OWNER_URL": owner}
    code, out, err = run("db", "upgrade", "--json", **both)
    assert (code, err) == (0, "")
    assert json.loads(out)["applied"] == [one.version for one in migrations()]
    rights = dict(execute(owner, RIGHTS.format(APP)))
    assert rights.pop("audit") == rights.pop("audit_head") == rights.pop("audit_start") == "SELECT"
    assert rights.pop("schema_version") == "SELECT"
    assert rights.pop("audit_origins") == "DELETE SELECT"
    assert rights.pop("erased_subjects") == rights.pop("deployments") == "INSERT SELECT"
    assert set(rights.values()) == {"DELETE INSERT SELECT UPDATE"}
    assert {"users", "bars_1m", "job_runs"} <= rights.keys()
    assert execute(
        owner, "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
    ) == [(OWNER,)]
    (tmp_path / "a.csv").write_text("Date,Open,High,Low,Close,Volume\n2024-01-02,10,12,9,11,5\n")
    for close in (11, 10):  # the second import changes rows, which takes a temporary table
        path = tmp_path / "a.csv"
        path.write_text(path.read_text().replace(",11,5", f",{close},5"))
        assert run("import", path)[0] == 0
    assert run("release", "--json")[0] == 0
    assert run("worker", "--once")[0] == 0
    assert run("audit", "verify")[0] == 0
    assert grants.alters_audit(application) == []
    assert grants.alters_audit(owner) == ["UPDATE", "DELETE", "TRUNCATE", "ALTER TABLE"]


def test_the_application_alone_works_on_a_migrated_database_and_migrates_none(
    two: tuple[str, str], run: Run
) -> None:
    application, owner = two
    execute(owner, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")  # as it is since PostgreSQL 15
    code, out, err = run("db", "upgrade", DATABASE_URL=application)
    assert (code, out) == (1, "")
    assert "the role mlt_test_app may not: permission denied for schema public" in err
    assert "run mltrading db upgrade with DATABASE_OWNER_URL set to a role that may" in err
    assert err.count("\n") == 1
    upgrade(owner)
    grants.share(owner, application)
    assert run("db", "upgrade", DATABASE_URL=application)[0] == 0


# What is done to the database first, as its owner or (!) as a superuser, @2: the migrations up to
# that one; whether DATABASE_OWNER_URL is set; which check of the doctor's fails, and what it says.
MIGRATIONS: list[tuple[list[str], bool, tuple[str, str] | None]] = [
    ([], True, None),
    (["REVOKE CREATE ON SCHEMA public FROM PUBLIC"], True, None),
    (
        ["REVOKE CREATE ON SCHEMA public FROM PUBLIC"],
        False,
        (
            "schema",
            "the role mlt_test_app can not migrate it, it lacks the right CREATE in schema public",
        ),
    ),
    ([f"GRANT CREATE ON SCHEMA public TO {APP}"], False, None),
    (
        ["REVOKE ALL ON SCHEMA public FROM PUBLIC"],
        False,
        ("schema", "lacks the right USAGE of a schema"),
    ),
    (["!REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC"], True, ("schema", "language plpgsql")),
    (
        ["!ALTER SCHEMA public OWNER TO postgres", "!GRANT ALL ON SCHEMA public TO PUBLIC"],
        True,
        ("owner", "take CREATE in schema public from mlt_test_app"),
    ),
    (["@2", f"!REASSIGN OWNED BY {QUOTED} TO {APP}"], False, None),
    (["@2", f"GRANT CREATE ON SCHEMA public TO {APP}"], False, ("schema", "schema_version")),
    (
        [
            "@2",
            f"GRANT CREATE ON SCHEMA public TO {APP}",
            f"GRANT SELECT, UPDATE ON schema_version TO {APP}",
        ],
        False,
        ("schema", "ownership of the table latest, ownership of the table symbols"),
    ),
    (["@4", f"!ALTER TABLE symbols OWNER TO {APP}"], True, ("schema", "the table symbols")),
    (
        [f"@{len(migrations())}"],
        False,
        ("schema", "it lacks the right SELECT of the table schema_version"),
    ),
    ([f"@{len(migrations())}"], True, None),
    (
        ["@3", "!ALTER DATABASE {} SET default_transaction_read_only = on"],
        True,
        ("schema", "lacks a server that takes changes"),
    ),
]


@pytest.mark.parametrize(("before", "owner_is_set", "said"), MIGRATIONS)
def test_the_doctor_foretells_what_an_upgrade_does(
    two: tuple[str, str],
    empty_database_url: str,
    run: Run,
    tmp_path: Path,
    before: list[str],
    owner_is_set: bool,
    said: tuple[str, str] | None,
) -> None:
    application, owner = two
    for statement in before:
        if statement.startswith("@"):
            upgrade(owner, folder=first_migrations(tmp_path, int(statement[1:])))
            continue
        [(name,)] = execute(owner, "SELECT current_database()")
        by = empty_database_url if statement.startswith("!") else owner
        execute(by, statement.lstrip("!").replace("{}", str(name)))
    variables = {"DATABASE_URL": application}
    variables |= {"DATABASE_OWNER_URL": owner} if owner_is_set else {}
    found = json.loads(run("doctor", "--json", **variables)[1])["checks"]
    wrong = {one["check"]: one for one in found if one["state"] == "error"}
    code, _, err = run("db", "upgrade")
    assert bool(wrong) is bool(code), (wrong, err)
    if said is not None:
        assert said[1] in wrong[said[0]]["detail"]


def first_migrations(tmp_path: Path, last: int) -> Path:
    """A folder with the migrations up to that one."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    for path in sorted(FOLDER.glob("*.sql"))[:last]:
        shutil.copy(path, folder)
    return folder


def test_granting_again_changes_nothing_and_mends_what_was_changed(two: tuple[str, str]) -> None:
    application, owner = two
    upgrade(owner)
    assert grants.share(owner, application)
    assert not grants.share(owner, application)
    rights = execute(owner, RIGHTS.format(APP))
    for change in (
        f"REVOKE INSERT ON symbols FROM {APP}",
        f"GRANT UPDATE ON audit TO {APP}",
        f"GRANT TRUNCATE ON bars_1d TO {APP}",
        f"GRANT ALL ON audit_head, schema_version TO {APP}",
        f"REVOKE USAGE ON SEQUENCE users_id_seq FROM {APP}",
        f"REVOKE ALL ON FUNCTION audit_append FROM {APP}",
        "GRANT EXECUTE ON FUNCTION audit_append TO PUBLIC",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE INSERT ON TABLES FROM {APP}",
        "REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC, " + APP,
        "GRANT CREATE ON SCHEMA public TO PUBLIC",
    ):
        [(name,)] = execute(owner, "SELECT current_database()")
        execute(owner, change.replace("{}", str(name)))
        assert grants.share(owner, application), change
        assert not grants.share(owner, application), change
        assert execute(owner, RIGHTS.format(APP)) == rights, change


def test_what_later_migrations_make_is_covered(two: tuple[str, str]) -> None:
    application, owner = two
    upgrade(owner)
    grants.share(owner, application)
    execute(owner, "CREATE TABLE later (id int GENERATED BY DEFAULT AS IDENTITY, n int)")
    execute(application, "INSERT INTO later (n) VALUES (1)")
    execute(application, "UPDATE later SET n = 2; DELETE FROM later")
    assert not grants.share(owner, application)  # nothing was missing
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        execute(application, "TRUNCATE later")


def test_many_starters_at_once_grant_once(two: tuple[str, str]) -> None:
    application, owner = two
    upgrade(owner)
    with ThreadPoolExecutor(6) as pool:
        changed = list(pool.map(lambda _: grants.share(owner, application), range(6)))
    assert sorted(changed) == [False] * 5 + [True]


def test_nobody_else_may_write_the_trail(two: tuple[str, str], server_url: str) -> None:
    application, owner = two
    upgrade(owner)
    grants.share(owner, application)
    execute(
        server_url,
        "DO $$ BEGIN CREATE ROLE mlt_test_else LOGIN; EXCEPTION WHEN"
        " duplicate_object OR unique_violation THEN NULL; END $$",
    )
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        execute(
            grants.with_role(owner, "mlt_test_else"),
            "SELECT audit_append('a', 'a', 'done', '', '{}', '', '')",
        )


def test_one_role_for_both_is_left_as_it_is(two: tuple[str, str]) -> None:
    _, owner = two
    upgrade(owner)
    assert not grants.share(owner, owner)
    assert execute(owner, RIGHTS.format(APP)) == []


def test_two_databases_are_refused(two: tuple[str, str], owner_url: str) -> None:
    application, owner = two
    with pytest.raises(ConfigurationError, match="name different databases"):
        grants.share(owner_url, application)


def test_an_owner_who_owns_nothing_is_told(two: tuple[str, str], empty_database_url: str) -> None:
    application, owner = two
    upgrade(empty_database_url)  # by the superuser, who owns the tables then
    with pytest.raises(ConfigurationError, match="can not give the role mlt_test_app"):
        grants.share(owner, application)


def test_a_folder_of_before_there_were_two_roles_upgrades_by_itself(
    tmp_path: Path, binaries: Path | None, run: Run
) -> None:
    """What was there stays, and commands work on it as the new role."""
    older = tmp_path / "older"
    older.mkdir()
    for path in sorted(FOLDER.glob("*.sql"))[:3]:
        shutil.copy(path, older)
    server = EmbeddedServer(tmp_path, binaries, settings=FAST)
    with server:
        url = server.start()
        upgrade(url, folder=older)
        execute(url, "INSERT INTO sources (name, feed) VALUES ('old', '')")
        variables = {"MLTRADING_POSTGRES_BIN": str(binaries)} if binaries else {}
        assert run("audit", "verify", **variables)[0] == 0
        assert run("db", "upgrade", **variables) == (
            0,
            f"nothing to do: the schema is at version {len(migrations())}\n",
            "",
        )
        application = grants.with_role(url, grants.APPLICATION)
        assert execute(application, "SELECT name FROM sources") == [("old",)]
        assert grants.alters_audit(application) == []
        with closing(psycopg2.connect(application)) as link, link.cursor() as cursor:
            cursor.execute(
                "SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls FROM pg_roles"
                " WHERE rolname = current_user"
            )
            assert cursor.fetchall() == [(False, False, False, False)]
