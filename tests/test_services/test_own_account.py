"""What users do with their own accounts, on a real database."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mltrading.adapters.postgres.pool import Database
from mltrading.domain.access import CONSOLE, DEVELOPER, Actor
from mltrading.errors import (
    InvalidAccount,
    InvalidPassword,
    SignInRefused,
    TooManyAttempts,
    UnknownLink,
    UnknownUser,
    WrongPassword,
)
from tests.identities import HOME, NEW_PASSWORD, PASSWORD, People

WILD = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def people(database: Database) -> People:
    return People(database)


@pytest.fixture
def ann(people: People) -> Actor:
    people.add("ann")
    return people.sign_in("ann").actor


def test_own_sessions_alone_are_listed(people: People, ann: Actor) -> None:
    people.add("bob")
    people.sign_in("bob")
    other = people.sign_in("ann")
    people.run("UPDATE sessions SET expires_at = now() WHERE id = %s", (ann.session,))
    third = people.sign_in("ann").actor
    listed = people.identity.sessions(third)
    assert [(one.id, one.current) for one in listed] == [
        (third.session, True),
        (other.actor.session, False),
    ]
    assert (listed[0].address, listed[0].browser) == ("203.0.113.7", "Firefox")


def test_a_session_is_ended_by_its_user(people: People, ann: Actor) -> None:
    other = people.sign_in("ann")
    people.identity.end_session(ann, other.actor.session, HOME)
    assert people.identity.actor(other.token) is None
    assert [one.id for one in people.identity.sessions(ann)] == [ann.session]
    assert people.trail_of("session.end") == [("ann", "done", other.actor.session, "{}")]


def test_nobody_ends_the_session_of_another(people: People, ann: Actor) -> None:
    people.add("bob")
    bob = people.sign_in("bob")
    people.identity.end_session(ann, bob.actor.session, HOME)
    assert people.identity.actor(bob.token)
    assert people.trail_of("session.end") == []


def test_password_change_ends_every_session(people: People, ann: Actor) -> None:
    tokens = [people.sign_in("ann").token for _ in range(2)]
    people.identity.change_password(ann, PASSWORD, NEW_PASSWORD, HOME)
    assert [people.identity.actor(token) for token in tokens] == [None, None]
    with pytest.raises(SignInRefused):
        people.sign_in("ann")
    assert people.sign_in("ann", NEW_PASSWORD)
    [(actor, outcome, target, details)] = people.trail_of("password.set")
    assert (actor, outcome, target) == ("ann", "done", "ann")
    assert '"sessions ended": "3"' in details


def test_password_is_not_changed_without_the_old_one(people: People, ann: Actor) -> None:
    with pytest.raises(WrongPassword, match="the password that you have now; nothing was done"):
        people.identity.change_password(ann, "something else", NEW_PASSWORD, HOME)
    assert people.sign_in("ann")
    assert people.trail_of("password.confirm") == [("ann", "refused", "ann", "{}")]


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ("too short", "this one has 9"),
        (PASSWORD, "is the old one"),
        ("ann ann ann ann ann ann", "parts of your e-mail address do not count"),
    ],
)
def test_password_that_will_not_do(people: People, ann: Actor, new: str, said: str) -> None:
    with pytest.raises(InvalidPassword, match=said):
        people.identity.change_password(ann, PASSWORD, new, HOME)
    assert people.sign_in("ann")


def test_old_passwords_are_guessed_no_faster_than_at_the_door(database: Database) -> None:
    people = People(database, by_account=(4, 300))
    people.add("ann")
    ann = people.sign_in("ann").actor
    for _ in range(3):
        with pytest.raises(WrongPassword):
            people.identity.confirm(ann, "guess", HOME)
    for attempt in (
        lambda: people.identity.confirm(ann, PASSWORD, HOME),
        lambda: people.identity.change_password(ann, PASSWORD, NEW_PASSWORD, HOME),
        lambda: people.sign_in("ann"),
    ):
        with pytest.raises(TooManyAttempts):
            attempt()


def test_who_has_no_password_confirms_by_a_fresh_session(people: People, ann: Actor) -> None:
    people.run("UPDATE users SET password_hash = NULL")
    people.identity.confirm(ann, "", HOME)
    people.run("UPDATE sessions SET created_at = now() - interval '301 s'")
    with pytest.raises(WrongPassword, match="sign in again"):
        people.identity.confirm(ann, "", HOME)


@pytest.mark.parametrize("actor", [CONSOLE, DEVELOPER], ids=lambda actor: actor.id)
def test_actors_without_account_are_told(people: People, actor: Actor) -> None:
    with pytest.raises(UnknownUser, match=actor.id):
        people.identity.begin_totp(actor)
    assert people.identity.sessions(actor) == []


def test_link_sets_the_password_once(people: People, ann: Actor) -> None:
    session = people.sign_in("ann").token
    link = people.link("ann")
    assert people.identity.link_holder(link) == "ann@example.com"
    people.identity.set_password(link, NEW_PASSWORD, HOME)
    assert people.identity.actor(session) is None
    assert people.sign_in("ann", NEW_PASSWORD)
    assert people.identity.link_holder(link) is None
    with pytest.raises(UnknownLink):
        people.identity.set_password(link, PASSWORD, HOME)
    assert link not in people.everything()


def test_link_stays_where_the_password_will_not_do(people: People, ann: Actor) -> None:
    link = people.link("ann")
    with pytest.raises(InvalidPassword):
        people.identity.set_password(link, "short", HOME)
    people.identity.set_password(link, NEW_PASSWORD, HOME)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE password_links SET expires_at = expires_at - interval '24 h'",
        "UPDATE users SET disabled_at = now()",
        "DELETE FROM users",
    ],
)
def test_link_that_is_over(people: People, ann: Actor, statement: str) -> None:
    link = people.link("ann")
    people.run(statement)
    assert people.identity.link_holder(link) is None
    with pytest.raises(UnknownLink):
        people.identity.set_password(link, NEW_PASSWORD, HOME)


def test_link_is_good_for_a_day(people: People, ann: Actor) -> None:
    link = people.link("ann")
    people.run("UPDATE password_links SET expires_at = expires_at - interval '23 h 59 min'")
    assert people.identity.link_holder(link)


def test_an_older_link_is_gone_with_the_next(people: People, ann: Actor) -> None:
    first, second = people.link("ann"), people.link("ann")
    assert people.identity.link_holder(first) is None
    assert people.identity.link_holder(second)


def test_of_many_who_use_a_link_at_once_one_does(database_url: str, people: People) -> None:
    people.add("ann")
    link, start = people.link("ann"), threading.Barrier(6, timeout=20)

    def use(number: int) -> bool:
        with closing(Database(database_url, 1)) as database:
            own = People(database)
            database.warm()
            start.wait()
            try:
                own.identity.set_password(link, f"{NEW_PASSWORD} {number}", HOME)
            except UnknownLink:
                return False
            return True

    with ThreadPoolExecutor(6) as threads:
        done = list(threads.map(use, range(6)))
    assert sum(done) == 1
    assert people.sign_in("ann", f"{NEW_PASSWORD} {done.index(True)}")
    assert len(people.trail_of("password.set")) == 1


def test_a_link_used_while_another_is_issued_does_not_stall(
    database_url: str, people: People
) -> None:
    """Both take the account first, so that neither waits for what the other holds."""
    people.add("ann")
    start = threading.Barrier(2, timeout=20)

    def use(own: People) -> None:
        for _ in range(20):
            link = own.link("ann")
            start.wait()
            try:
                own.identity.set_password(link, NEW_PASSWORD, HOME)
            except UnknownLink:
                pass

    def issue(own: People) -> None:
        for _ in range(20):
            start.wait()
            own.link("ann")

    with closing(Database(database_url, 1)) as one, closing(Database(database_url, 1)) as other:
        with ThreadPoolExecutor(2) as threads:
            both = threads.submit(use, People(one)), threads.submit(issue, People(other))
            assert [each.result() for each in both] == [None, None]


@WILD
@given(link=st.text() | st.from_regex(r"[A-Za-z0-9_-]{43}", fullmatch=True), password=st.text())
def test_no_other_link_sets_anything(people: People, link: str, password: str) -> None:
    assert people.identity.link_holder(link) is None
    with pytest.raises(UnknownLink):
        people.identity.set_password(link, password, HOME)


def test_second_factor_is_asked_for_once_it_is_confirmed(people: People, ann: Actor) -> None:
    setup = people.identity.begin_totp(ann)
    parts = urlsplit(setup.uri)
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert parse_qs(parts.query) == {"secret": [setup.secret], "issuer": ["MLTrading"]}
    assert people.sign_in("ann")
    people.identity.confirm_totp(ann, setup.secret, people.code(setup.secret), HOME)
    people.clock.wait(30)
    assert people.sign_in("ann", code=people.code(setup.secret))
    assert people.trail_of("second-factor.set") == [("ann", "done", "ann", "{}")]
    [(sealed,)] = people.run("SELECT totp_secret FROM users")
    assert setup.secret not in sealed and setup.secret not in people.everything()


def test_confirming_code_signs_nobody_in(people: People, ann: Actor) -> None:
    setup = people.identity.begin_totp(ann)
    code = people.code(setup.secret)
    people.identity.confirm_totp(ann, setup.secret, code, HOME)
    with pytest.raises(Exception, match="was used"):
        people.sign_in("ann", code=code)


def test_other_sessions_end_with_the_second_factor(people: People) -> None:
    people.add("root", "admin")
    thief, owner = people.sign_in("root"), people.sign_in("root")
    setup = people.identity.begin_totp(owner.actor)
    people.identity.confirm_totp(owner.actor, setup.secret, people.code(setup.secret), HOME)
    assert people.identity.actor(thief.token) is None
    actor = people.identity.actor(owner.token)
    assert actor and actor.permissions and not people.identity.needs_totp(actor)


@pytest.mark.parametrize(
    "code", ["", "000000", "12345", "1234567", "\u0661\u0662\u0663\u0664\u0665\u0666"]
)
def test_wrong_code_confirms_nothing(people: People, ann: Actor, code: str) -> None:
    setup = people.identity.begin_totp(ann)
    with pytest.raises(InvalidAccount):
        people.identity.confirm_totp(ann, setup.secret, code, HOME)
    assert people.sign_in("ann")


def test_weak_secret_is_not_taken(people: People, ann: Actor) -> None:
    short = people.identity.begin_totp(ann).secret[:-8]
    with pytest.raises(InvalidAccount):
        people.identity.confirm_totp(ann, short, people.code(short), HOME)


@WILD
@given(secret=st.text(), code=st.text())
def test_any_secret_and_code_are_judged(people: People, secret: str, code: str) -> None:
    people.run("DELETE FROM users")
    people.add("ann")
    with pytest.raises(InvalidAccount):
        people.identity.confirm_totp(people.sign_in("ann").actor, secret, code, HOME)


def test_second_factor_is_not_replaced_before_it_is_dropped(people: People, ann: Actor) -> None:
    setup = people.identity.begin_totp(ann)
    people.enrol("ann")
    with pytest.raises(InvalidAccount):
        people.identity.begin_totp(ann)
    with pytest.raises(InvalidAccount):
        people.identity.confirm_totp(ann, setup.secret, people.code(setup.secret), HOME)


def test_second_factor_is_dropped_with_the_password(people: People) -> None:
    people.add("root", "admin")
    signed_in = people.sign_in("root", code=people.code(people.enrol("root")))
    with pytest.raises(WrongPassword):
        people.identity.drop_totp(signed_in.actor, "wrong", HOME)
    people.identity.drop_totp(signed_in.actor, PASSWORD, HOME)
    actor = people.identity.actor(signed_in.token)
    assert actor and people.identity.needs_totp(actor)
    assert people.trail_of("second-factor.drop") == [("root", "done", "root", "{}")]
    with pytest.raises(InvalidAccount):
        people.identity.drop_totp(signed_in.actor, PASSWORD, HOME)
