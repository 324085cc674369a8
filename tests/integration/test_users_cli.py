"""`mltrading users` as it is typed, on a real server."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest

from mltrading.__main__ import main
from mltrading.adapters.postgres.pool import Database
from mltrading.errors import SignInRefused
from tests.identities import NEW_PASSWORD, PASSWORD, People

pytestmark = pytest.mark.database

Users = Callable[..., tuple[int, str, str]]


@pytest.fixture
def people(database: Database) -> People:
    return People(database)


@pytest.fixture
def users(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Users:
    """Run the command; its exit code, and what it wrote on either stream."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.delenv("ENVIRONMENT", raising=False)

    def run(*words: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", StringIO(stdin))
        with pytest.raises(SystemExit) as ended:
            main(["users", *words])
        written = capsys.readouterr()
        return int(ended.value.code or 0), written.out, written.err

    return run


def answered(users: Users, *words: str) -> Any:
    code, out, err = users(*words)
    assert code == 0, err
    return json.loads(out)


def test_link_that_add_prints_sets_the_password(users: Users, people: People) -> None:
    code, out, err = users("add", "Ann@Example.com", "--role", "analyst")
    assert (code, err) == (0, "")
    link = out.splitlines()[-1]
    assert link.startswith("/password/") and "ann@example.com, analyst" in out
    people.identity.set_password(link.removeprefix("/password/"), NEW_PASSWORD, people.home)
    assert people.sign_in("ann", NEW_PASSWORD).actor.role.value == "analyst"
    [(actor, outcome, _, details)] = people.trail_of("user.add")
    assert (actor, outcome) == ("console", "done") and '"by": "link"' in details


def test_whole_link_where_the_address_is_told(users: Users) -> None:
    answer = answered(users, "add", "ann@example.com", "--url", "https://x.example/", "--json")
    assert answer["link"].startswith("https://x.example/password/")
    assert (answer["email"], answer["role"]) == ("ann@example.com", "viewer")
    _, out, _ = users("reset", "ann@example.com", "--url", "http://localhost:8050")
    assert out.splitlines()[-1].startswith("http://localhost:8050/password/")


def test_the_link_is_whole_where_the_deployment_knows_its_address(
    users: Users, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLTRADING_URL", "https://trade.example/")
    _, out, _ = users("add", "ann@example.com")
    assert out.splitlines()[-1].startswith("https://trade.example/password/")


def test_password_comes_from_standard_input(users: Users, people: People) -> None:
    code, out, _ = users("add", "ann@example.com", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert code == 0 and PASSWORD not in out and "/password/" not in out
    assert people.sign_in("ann")


@pytest.mark.parametrize(
    "words, stdin, told",
    [
        (("add", "ann@example.com", "--password-stdin"), "short\n", "15 characters"),
        (("add", "ann@example.com", "--password-stdin"), "", "15 characters"),
        (("add", "ann"), "", "no e-mail address"),
        (("add", "bob.jones@example.com"), "", "has an account already"),
        (("role", "bob.jnes@example.com", "admin"), "", "nearest known: bob.jones@example.com"),
        (("disable", "zzz"), "", "mltrading users list"),
        (("disable", "root@example.com"), "", "last administrator"),
        (("role", "root@example.com", "viewer"), "", "last administrator"),
    ],
)
def test_what_can_not_be_is_said_in_one_line(
    users: Users, people: People, words: tuple[str, ...], stdin: str, told: str
) -> None:
    people.add("bob.jones")
    people.add("root", "admin")
    code, out, err = users(*words, stdin=stdin)
    assert (code, out) == (1, "")
    assert told in err and err.count("\n") == 1
    assert people.run("SELECT count(*) FROM users") == [(2,)]


@pytest.mark.parametrize(
    "words",
    [
        ("add", "ann@example.com", "--role", "boss"),
        ("add", "ann@example.com", "--url", "http://example.com"),
        ("add", "ann@example.com", "--url", "example.com"),
        ("add", "ann@example.com", "--url", "https://[x"),
        ("role", "ann@example.com"),
        ("erase", "ann@example.com"),
        (),
    ],
)
def test_wrong_command_line(users: Users, people: People, words: tuple[str, ...]) -> None:
    code, out, err = users(*words)
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert people.run("SELECT count(*) FROM users") == [(0,)]


def test_role_disable_and_enable(users: Users, people: People) -> None:
    people.add("ann")
    people.add("root", "admin")
    assert users("role", "ann@example.com", "admin")[1] == "ann@example.com is admin\n"
    assert users("role", "ann@example.com", "admin")[1] == "ann@example.com is admin already\n"
    assert users("disable", "ann@example.com")[1] == "ann@example.com is disabled\n"
    with pytest.raises(SignInRefused):
        people.sign_in("ann")
    assert users("enable", "ann@example.com")[1] == "ann@example.com is enabled\n"
    assert people.sign_in("ann").actor.role.value == "admin"


def test_reset_for_a_lost_phone(users: Users, people: People) -> None:
    people.add("ann")
    people.enrol("ann")
    answer = answered(users, "reset", "ann@example.com", "--second-factor", "--json")
    people.identity.set_password(answer["link"].split("/")[-1], NEW_PASSWORD, people.home)
    assert people.sign_in("ann", NEW_PASSWORD)


def test_list(users: Users, people: People) -> None:
    assert "nobody has an account" in users("list")[1]
    assert answered(users, "list", "--json") == []
    people.add("ann", "admin")
    people.enrol("ann")
    people.add("bob", password=None)
    people.add("cyd")
    people.run("UPDATE users SET disabled_at = now() WHERE subject = 'cyd'")
    lines = users("list")[1].splitlines()
    assert [line.split() for line in lines] == [
        ["E-MAIL", "ROLE", "STATE", "SECOND", "FACTOR", "SESSIONS"],
        ["ann@example.com", "admin", "password", "yes", "0"],
        ["bob@example.com", "viewer", "waits", "for", "a", "password", "no", "0"],
        ["cyd@example.com", "viewer", "disabled", "no", "0"],
    ]
    rows = answered(users, "list", "--json")
    assert [(row["email"], row["role"], row["disabled"]) for row in rows] == [
        ("ann@example.com", "admin", False),
        ("bob@example.com", "viewer", False),
        ("cyd@example.com", "viewer", True),
    ]
    assert "argon2" not in json.dumps(rows)
