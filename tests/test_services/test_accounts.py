"""Administration of accounts and shared symbols, on a real database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mltrading.adapters.postgres.pool import Database
from mltrading.domain.access import CONSOLE, Actor, Role
from mltrading.errors import (
    Forbidden,
    InvalidAccount,
    InvalidPassword,
    LastAdministrator,
    SignInRefused,
    UnknownSymbol,
    UnknownUser,
)
from tests.identities import HOME, NEW_PASSWORD, PASSWORD, People

ROOT = Actor("root", Role.ADMIN.permissions, "root@example.com", Role.ADMIN)


@pytest.fixture
def people(database: Database) -> People:
    return People(database)


Sql = Callable[[str], object]

VERBS: dict[str, Callable[[People, Actor], Any]] = {
    "users": lambda p, a: p.accounts.users(a),
    "find": lambda p, a: p.accounts.find(a, "ann@example.com"),
    "add": lambda p, a: p.accounts.add(a, "new@example.com", Role.ADMIN, HOME),
    "add_with_password": lambda p, a: p.accounts.add_with_password(
        a, "new@example.com", Role.ADMIN, PASSWORD, HOME
    ),
    "set_role": lambda p, a: p.accounts.set_role(a, "ann", Role.ADMIN, HOME),
    "disable": lambda p, a: p.accounts.disable(a, "ann", HOME),
    "enable": lambda p, a: p.accounts.enable(a, "gone", HOME),
    "reset": lambda p, a: p.accounts.reset(a, "ann", HOME),
    "sessions_of": lambda p, a: p.accounts.sessions_of(a, "ann"),
    "end_sessions": lambda p, a: p.accounts.end_sessions(a, "ann", HOME),
    "shared": lambda p, a: p.accounts.shared(a),
    "share": lambda p, a: p.accounts.share(a, "AAPL", HOME),
    "unshare": lambda p, a: p.accounts.unshare(a, "MSFT", HOME),
}


def test_every_verb_is_in_the_table(people: People) -> None:
    public = {name for name in dir(people.accounts) if not name.startswith("_")}
    assert public == set(VERBS)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ANALYST, None], ids=str)
@pytest.mark.parametrize("verb", VERBS)
def test_only_administrators_may(people: People, verb: str, role: Role | None) -> None:
    stage(people)
    before = picture(people)
    actor = Actor("ann", role.permissions if role else frozenset(), "ann@example.com", role)
    with pytest.raises(Forbidden):
        VERBS[verb](people, actor)
    assert picture(people) == before


READING = {"users", "find", "sessions_of", "shared"}


@pytest.mark.parametrize("verb", VERBS)
def test_every_change_is_recorded_under_its_actor(people: People, verb: str) -> None:
    stage(people)
    before = picture(people)
    VERBS[verb](people, ROOT)
    recorded = people.run("SELECT actor, outcome FROM audit WHERE actor = 'root'")
    assert recorded == ([] if verb in READING else [("root", "done")])
    assert (picture(people) == before) is (verb in READING)


@pytest.mark.parametrize("verb", sorted(set(VERBS) - READING))
def test_a_change_that_can_not_be_recorded_is_not_made(people: People, sql: Sql, verb: str) -> None:
    stage(people)
    before = picture(people)
    sql("ALTER TABLE audit ADD CHECK (actor <> 'root')")
    with pytest.raises(Exception, match="audit"):
        VERBS[verb](people, ROOT)
    assert picture(people) == before


def stage(people: People) -> None:
    people.add("ann")
    people.add("gone")
    people.add("root", "admin")
    people.sign_in("ann")
    people.run("UPDATE users SET disabled_at = now() WHERE subject = 'gone'")
    people.symbol("AAPL")
    people.symbol("MSFT", shared=True)


def picture(people: People) -> list[object]:
    """All that administration changes."""
    return [
        people.run(f"SELECT to_json(t)::text FROM {table} t ORDER BY 1")
        for table in ("users", "sessions", "password_links", "shared_symbols")
    ]


def test_new_user_sets_the_password_by_the_link(people: People) -> None:
    link = people.accounts.add(CONSOLE, "Ann@Example.com", Role.ANALYST, HOME)
    with pytest.raises(SignInRefused):
        people.sign_in("ann", "")
    people.identity.set_password(link, NEW_PASSWORD, HOME)
    actor = people.sign_in("ann", NEW_PASSWORD).actor
    assert actor.role is Role.ANALYST
    [(by, _, target, details)] = people.trail_of("user.add")
    assert (by, target) == ("console", actor.id) and '"role": "analyst"' in details
    assert "ann" not in actor.id and link not in people.everything()
    assert "@" not in str(people.run("SELECT * FROM audit"))


@pytest.mark.parametrize("email", ["ann@example.com", " ANN@example.com", "no address", ""])
def test_address_that_is_taken_or_none(people: People, email: str) -> None:
    people.add("ann")
    for add in (
        lambda: people.accounts.add(CONSOLE, email, Role.VIEWER, HOME),
        lambda: people.accounts.add_with_password(CONSOLE, email, Role.VIEWER, NEW_PASSWORD, HOME),
    ):
        with pytest.raises(InvalidAccount):
            add()
    assert people.run("SELECT count(*) FROM users") == [(1,)]


def test_weak_password_makes_no_account(people: People) -> None:
    with pytest.raises(InvalidPassword):
        people.accounts.add_with_password(CONSOLE, "ann@example.com", Role.VIEWER, "short", HOME)
    assert people.run("SELECT count(*) FROM users") == [(0,)]


def test_unknown_address_names_the_nearest(people: People) -> None:
    people.add("ann.smith")
    assert people.accounts.find(CONSOLE, " Ann.Smith@Example.com").id == "ann.smith"
    with pytest.raises(UnknownUser, match="nearest known: ann.smith@example.com"):
        people.accounts.find(CONSOLE, "an.smith@example.com")
    with pytest.raises(UnknownUser, match="users list"):
        people.accounts.find(CONSOLE, "zzz")


def test_list_tells_what_there_is_of_each_user(people: People, sql: Sql) -> None:
    sql("ALTER TABLE users DISABLE TRIGGER an_administrator_stays")
    people.add("bob", "analyst")
    people.add("ann", "admin", password=None)
    people.enrol("bob")
    people.run("UPDATE users SET issuer = 'https://id.example', disabled_at = now()"
               " WHERE subject = 'ann'")  # fmt: skip
    people.add("cyd")
    people.sign_in("cyd")
    people.sign_in("cyd")
    people.run("UPDATE sessions SET expires_at = now() WHERE id = (SELECT max(id) FROM sessions)")
    ann, bob, cyd = people.accounts.users(CONSOLE)
    assert (ann.email, ann.role, ann.disabled, ann.password, ann.issuer) == (
        "ann@example.com", Role.ADMIN, True, False, "https://id.example",
    )  # fmt: skip
    assert (bob.role, bob.disabled, bob.password, bob.second_factor) == (
        Role.ANALYST, False, True, True,
    )  # fmt: skip
    assert (cyd.sessions, bob.sessions) == (1, 0)
    assert cyd.seen_at is not None and bob.seen_at is None


@pytest.mark.parametrize(
    "change",
    [
        lambda people: people.accounts.set_role(ROOT, "ann", Role.ANALYST, HOME),
        lambda people: people.accounts.disable(ROOT, "ann", HOME),
        lambda people: people.accounts.reset(ROOT, "ann", HOME),
        lambda people: people.accounts.end_sessions(ROOT, "ann", HOME),
    ],
    ids=["role", "disable", "reset", "end"],
)
def test_change_ends_the_sessions_of_that_user_alone(
    people: People, change: Callable[[People], object]
) -> None:
    people.add("ann")
    people.add("bob")
    people.add("root", "admin")
    ann, bob = [people.sign_in("ann").token for _ in range(2)], people.sign_in("bob").token
    change(people)
    assert [people.identity.actor(token) for token in ann] == [None, None]
    assert people.identity.actor(bob)


def test_disabled_user_is_out_until_enabled(people: People) -> None:
    people.add("ann")
    link = people.link("ann")
    people.accounts.disable(CONSOLE, "ann", HOME)
    assert people.identity.link_holder(link) is None
    with pytest.raises(SignInRefused):
        people.sign_in("ann")
    people.accounts.enable(CONSOLE, "ann", HOME)
    assert people.sign_in("ann")
    assert people.identity.link_holder(link) is None


def test_nothing_is_recorded_where_nothing_changes(people: People) -> None:
    stage(people)
    people.accounts.set_role(ROOT, "ann", Role.VIEWER, HOME)
    people.accounts.disable(ROOT, "gone", HOME)
    people.accounts.enable(ROOT, "ann", HOME)
    people.accounts.share(ROOT, "MSFT", HOME)
    people.accounts.unshare(ROOT, "AAPL", HOME)
    people.accounts.end_sessions(ROOT, "gone", HOME)
    assert people.run("SELECT * FROM audit WHERE actor = 'root'") == []


def test_reset_opens_the_account_to_the_link_alone(people: People) -> None:
    people.add("ann")
    secret = people.enrol("ann")
    link = people.accounts.reset(CONSOLE, "ann", HOME)
    with pytest.raises(SignInRefused):
        people.sign_in("ann", code=people.code(secret))
    people.identity.set_password(link, NEW_PASSWORD, HOME)
    assert people.sign_in("ann", NEW_PASSWORD, people.code(secret))


def test_reset_may_drop_the_second_factor(people: People) -> None:
    people.add("ann")
    people.enrol("ann")
    link = people.accounts.reset(CONSOLE, "ann", HOME, second_factor=True)
    people.identity.set_password(link, NEW_PASSWORD, HOME)
    assert people.sign_in("ann", NEW_PASSWORD)


def test_disabled_account_is_not_reset(people: People) -> None:
    stage(people)
    with pytest.raises(InvalidAccount, match="enable"):
        people.accounts.reset(CONSOLE, "gone", HOME)


REMOVALS: dict[str, Callable[[People, str], None]] = {
    "demote": lambda people, id: people.accounts.set_role(CONSOLE, id, Role.VIEWER, HOME),
    "disable": lambda people, id: people.accounts.disable(CONSOLE, id, HOME),
}


@pytest.mark.parametrize("removal", REMOVALS)
def test_last_administrator_stays(people: People, removal: str) -> None:
    people.add("root", "admin")
    people.add("gone", "admin")
    people.add("ann", "analyst")
    REMOVALS[removal](people, "gone")
    with pytest.raises(LastAdministrator):
        REMOVALS[removal](people, "root")
    people.accounts.set_role(CONSOLE, "ann", Role.ADMIN, HOME)
    REMOVALS[removal](people, "root")


@pytest.mark.parametrize("first", REMOVALS)
@pytest.mark.parametrize("second", REMOVALS)
def test_last_two_administrators_do_not_go_at_once(
    database_url: str, people: People, first: str, second: str
) -> None:
    people.add("one", "admin")
    people.add("two", "admin")
    start = threading.Barrier(2, timeout=20)

    def remove(name: str, removal: str) -> bool:
        with closing(Database(database_url, 1)) as database:
            database.warm()
            start.wait()
            try:
                REMOVALS[removal](People(database), name)
            except LastAdministrator:
                return False
            return True

    with ThreadPoolExecutor(2) as threads:
        done = list(threads.map(remove, ("one", "two"), (first, second)))
    assert sorted(done) == [False, True]
    [(left,)] = people.run(
        "SELECT count(*) FROM users WHERE role = 'admin' AND disabled_at IS NULL"
    )
    assert left == 1


def test_unknown_user_is_told(people: People) -> None:
    for change in (
        lambda: people.accounts.set_role(CONSOLE, "nobody", Role.VIEWER, HOME),
        lambda: people.accounts.disable(CONSOLE, "nobody", HOME),
        lambda: people.accounts.enable(CONSOLE, "nobody", HOME),
        lambda: people.accounts.reset(CONSOLE, "nobody", HOME),
    ):
        with pytest.raises(UnknownUser):
            change()


def test_one_session_of_a_user_is_ended(people: People) -> None:
    people.add("ann")
    one, other = people.sign_in("ann"), people.sign_in("ann")
    [newest, _] = people.accounts.sessions_of(CONSOLE, "ann")
    assert newest.id == other.actor.session
    assert people.accounts.end_sessions(CONSOLE, "ann", HOME, newest.id) == 1
    assert people.identity.actor(one.token) and people.identity.actor(other.token) is None
    assert people.accounts.end_sessions(CONSOLE, "ann", HOME, newest.id) == 0


def test_symbols_are_shared_by_their_code(people: People) -> None:
    people.symbol("AAPL")
    people.symbol("MSFT")
    people.accounts.share(CONSOLE, "AAPL", HOME)
    people.accounts.share(CONSOLE, "AAPL", HOME)
    assert people.accounts.shared(CONSOLE) == {"AAPL"}
    with pytest.raises(UnknownSymbol, match="nearest known: 'MSFT'"):
        people.accounts.share(CONSOLE, "MFST", HOME)
    people.accounts.unshare(CONSOLE, "AAPL", HOME)
    assert people.accounts.shared(CONSOLE) == frozenset()
    actions = people.run("SELECT action, target FROM audit ORDER BY seq")
    assert actions == [("symbol.share", "AAPL"), ("symbol.unshare", "AAPL")]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=st.text())
def test_any_name_is_answered(people: People, text: str) -> None:
    with pytest.raises(UnknownUser):
        people.accounts.disable(CONSOLE, text, HOME)
    with pytest.raises(UnknownUser):
        people.accounts.find(CONSOLE, text)
    with pytest.raises(UnknownSymbol):
        people.accounts.share(CONSOLE, text, HOME)
    people.accounts.unshare(CONSOLE, text, HOME)
    assert people.accounts.end_sessions(CONSOLE, text, HOME, text) == 0
    assert people.accounts.sessions_of(CONSOLE, text) == []
