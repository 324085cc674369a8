"""Signing in and out, on a real database."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mltrading.adapters.passwords import Argon2Passwords
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.sealing import SecretKeySeals
from mltrading.domain.access import Permission, Role
from mltrading.errors import CodeNeeded, SignInRefused, TooManyAttempts
from mltrading.services.ports.audit import Origin
from tests.identities import HOME, PASSWORD, People


@pytest.fixture
def people(database: Database) -> People:
    return People(database)


def test_right_password_opens_a_session_of_the_role(people: People) -> None:
    people.add("ann", "analyst")
    signed_in = people.sign_in("ann")
    actor = people.identity.actor(signed_in.token)
    assert actor == signed_in.actor
    assert (actor.id, actor.email, actor.role) == ("ann", "ann@example.com", Role.ANALYST)
    assert actor.permissions == Role.ANALYST.permissions
    [(seconds,)] = people.run(
        "SELECT extract(epoch FROM %s - created_at)::int FROM sessions", (signed_in.expires_at,)
    )
    assert seconds == 8 * 3600


def test_address_is_taken_as_people_type_it(people: People) -> None:
    people.add("ann")
    people.identity.sign_in("  Ann@Example.COM ", PASSWORD, "", HOME)


def test_each_sign_in_has_a_token_of_its_own(people: People) -> None:
    people.add("ann")
    tokens = {people.sign_in("ann").token for _ in range(3)}
    assert len(tokens) == 3
    assert all(people.identity.actor(token) for token in tokens)


def refusal(people: People, name: str, password: str) -> str:
    with pytest.raises(SignInRefused) as refused:
        people.sign_in(name, password)
    return str(refused.value)


def test_one_text_for_every_reason(people: People) -> None:
    people.add("ann")
    people.add("gone")
    people.add("provided", password=None)
    people.run("UPDATE users SET disabled_at = now() WHERE subject = 'gone'")
    texts = {
        refusal(people, "ann", "something else"),
        refusal(people, "nobody", PASSWORD),
        refusal(people, "gone", PASSWORD),
        refusal(people, "provided", PASSWORD),
        refusal(people, "provided", ""),
        refusal(people, "ann", PASSWORD + "x" * 300),
    }
    assert len(texts) == 1
    assert people.run("SELECT count(*) FROM sessions") == [(0,)]


class CountingPasswords(Argon2Passwords):
    """Counts the hashes that are checked."""

    checked = 0

    def matches(self, password_hash: str | None, password: str) -> bool:
        self.checked += 1
        return super().matches(password_hash, password)


@pytest.mark.parametrize("name", ["ann", "nobody", "no address", "provided"])
def test_a_refusal_costs_one_hash_whatever_its_reason(database: Database, name: str) -> None:
    passwords = CountingPasswords(memory_kib=64, passes=1)
    people = People(database, passwords=passwords)
    people.add("ann")
    people.add("provided", password=None)
    refusal(people, name, "wrong")
    assert passwords.checked == 1


def test_a_refusal_takes_as_long_for_an_unknown_user(database: Database) -> None:
    """With hashes so slow that all else is small beside them."""
    people = People(database, passwords=Argon2Passwords(memory_kib=32 * 1024, passes=4))
    people.add("ann")
    refusal(people, "ann", "wrong")
    refusal(people, "nobody", "wrong")

    def quickest(name: str) -> float:
        return min(_cpu_seconds(lambda: refusal(people, name, "wrong")) for _ in range(5))

    known, unknown = quickest("ann"), quickest("nobody")
    assert 0.7 < known / unknown < 1.4


def _cpu_seconds(work: object) -> float:
    import time

    began = time.thread_time()
    work()  # type: ignore[operator]
    return time.thread_time() - began


def test_who_was_refused_is_recorded_without_the_address(people: People) -> None:
    people.add("ann")
    refusal(people, "ann", "wrong")
    refusal(people, "stranger", "wrong")
    refusal(people, "stranger", "wrong again")
    known, first, second = people.trail_of("session.begin")
    assert known == ("anonymous", "refused", "ann", '{"reason": "password"}')
    assert first == second and first[3] == '{"reason": "unknown"}'
    assert first[2] not in ("", "ann")
    assert "stranger" not in people.everything() and "wrong" not in people.everything()
    assert people.run("SELECT DISTINCT address, browser FROM audit_origins") == [
        ("203.0.113.7", "Firefox")
    ]


def test_only_a_hash_of_the_token_is_stored(people: People) -> None:
    people.add("ann")
    token = people.sign_in("ann").token
    [(stored,)] = people.run("SELECT token_hash FROM sessions")
    assert bytes(stored) == hashlib.sha256(token.encode()).digest()
    assert token not in people.everything()
    assert PASSWORD not in people.everything()


@pytest.mark.parametrize("minutes, valid", [(29, True), (31, False)])
def test_a_session_is_over_when_it_was_idle_for_half_an_hour(
    people: People, minutes: int, valid: bool
) -> None:
    people.add("ann")
    token = people.sign_in("ann").token
    people.run(
        "UPDATE sessions SET seen_at = now() - make_interval(mins => %s)",
        (minutes,),
    )
    assert (people.identity.actor(token) is not None) is valid
    assert (people.identity.actor(token) is not None) is valid


def test_each_request_begins_the_half_hour_anew(people: People) -> None:
    people.add("ann")
    token = people.sign_in("ann").token
    for _ in range(4):
        people.run("UPDATE sessions SET seen_at = seen_at - interval '20 minutes'")
        assert people.identity.actor(token)


def test_a_session_ends_after_eight_hours_whatever_happens(people: People) -> None:
    people.add("ann")
    token = people.sign_in("ann").token
    people.run("UPDATE sessions SET expires_at = expires_at - interval '7 h 59 min'")
    assert people.identity.actor(token)
    people.run("UPDATE sessions SET expires_at = expires_at - interval '1 min'")
    assert people.identity.actor(token) is None


def test_use_is_noted_at_most_once_a_minute(people: People) -> None:
    people.add("ann")
    token = people.sign_in("ann").token
    age = "SELECT extract(epoch FROM now() - seen_at)::int FROM sessions"
    people.run("UPDATE sessions SET seen_at = now() - interval '50 s'")
    people.identity.actor(token)
    assert people.run(age)[0][0] >= 50
    people.run("UPDATE sessions SET seen_at = now() - interval '70 s'")
    people.identity.actor(token)
    assert people.run(age)[0][0] < 50


def test_a_session_works_where_the_database_takes_no_change(
    people: People, sql: Callable[[str], object]
) -> None:
    people.add("ann")
    token = people.sign_in("ann").token
    people.run("UPDATE sessions SET seen_at = now() - interval '10 minutes'")
    sql(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'no' USING ERRCODE = 'read_only_sql_transaction'; END $$"
    )
    sql("CREATE TRIGGER no BEFORE UPDATE ON sessions EXECUTE FUNCTION no()")
    assert people.identity.actor(token)


def test_role_and_state_are_those_of_the_database(people: People) -> None:
    people.add("ann", "analyst")
    token = people.sign_in("ann").token
    people.run("UPDATE users SET role = 'viewer'")
    actor = people.identity.actor(token)
    assert actor and actor.role is Role.VIEWER and not actor.may(Permission.EXPORT_DATA)
    people.run("UPDATE users SET disabled_at = now()")
    assert people.identity.actor(token) is None


def test_signing_out_ends_that_session_alone(people: People) -> None:
    people.add("ann")
    one, other = people.sign_in("ann"), people.sign_in("ann")
    people.identity.sign_out(one.token, HOME)
    assert people.identity.actor(one.token) is None
    assert people.identity.actor(other.token)
    people.identity.sign_out(one.token, HOME)
    assert people.trail_of("session.end") == [("ann", "done", one.actor.session, "{}")]


def test_sessions_that_are_over_are_forgotten_with_the_next(people: People) -> None:
    people.add("ann")
    people.add("bob")
    for name in ("ann", "bob"):
        people.sign_in(name)
    people.run("UPDATE sessions SET expires_at = now()")
    people.sign_in("ann")
    assert people.run("SELECT count(*) FROM sessions") == [(2,)]


def test_exactly_so_many_attempts_on_one_account(database: Database) -> None:
    people = People(database, by_account=(3, 300))
    people.add("ann")
    for number in range(3):
        people.identity.sign_in("ann@example.com", PASSWORD, "", Origin(f"203.0.113.{number}"))
    with pytest.raises(TooManyAttempts) as refused:
        people.identity.sign_in("ANN@example.com", PASSWORD, "", Origin("203.0.113.99"))
    assert 290 < refused.value.seconds <= 300
    assert "in 5 minutes" in str(refused.value)
    with pytest.raises(TooManyAttempts):
        people.sign_in("ann")
    [(_, outcome, target, details)] = people.trail_of("session.limit")
    assert outcome == "refused" and '"limit": "account"' in details
    assert "ann" not in target


def test_exactly_so_many_attempts_from_one_address(database: Database) -> None:
    people = People(database, by_address=(3, 300))
    for number in range(3):
        refusal(people, f"user{number}", "wrong")
    with pytest.raises(TooManyAttempts):
        people.sign_in("user3")
    [(_, _, target, details)] = people.trail_of("session.limit")
    assert target == "" and '"limit": "address"' in details


def test_a_refused_address_does_not_lock_the_account(database: Database) -> None:
    people = People(database, by_account=(5, 300), by_address=(3, 300))
    people.add("ann")
    for _ in range(3):
        refusal(people, "ann", "wrong")
    for _ in range(20):
        with pytest.raises(TooManyAttempts):
            people.sign_in("ann")
    assert people.identity.sign_in("ann@example.com", PASSWORD, "", Origin("198.51.100.1"))


def test_addresses_of_one_ipv6_network_count_together(database: Database) -> None:
    people = People(database, by_address=(2, 300))
    for number in range(2):
        with pytest.raises(SignInRefused):
            people.identity.sign_in("x@example.com", "-", "", Origin(f"2001:db8:1:2::{number}"))
    with pytest.raises(TooManyAttempts):
        people.identity.sign_in("x@example.com", "-", "", Origin("2001:db8:1:2:ffff::9"))
    with pytest.raises(SignInRefused):
        people.identity.sign_in("x@example.com", "-", "", Origin("2001:db8:1:3::1"))


def test_password_is_hashed_anew_when_the_parameters_change(database: Database) -> None:
    People(database, passwords=Argon2Passwords(memory_kib=32, passes=1)).add("ann")
    people = People(database)
    people.sign_in("ann")
    [(stored,)] = people.run("SELECT password_hash FROM users")
    assert "m=64,t=1" in stored
    people.sign_in("ann")
    assert people.run("SELECT password_hash FROM users") == [(stored,)]


def test_a_letter_with_an_accent_is_one_however_it_was_typed(people: People) -> None:
    people.add("ann", password="caf\u00e9 au lait, deux fois")
    people.sign_in("ann", "cafe\u0301 au lait, deux fois")


def test_account_changed_while_the_hash_was_made(people: People) -> None:
    people.add("ann")
    matches = people.passwords.matches

    class Slow(Argon2Passwords):
        def matches(self, password_hash: str | None, password: str) -> bool:
            right = matches(password_hash, password)
            people.run("UPDATE users SET disabled_at = now()")
            return right

    slow = People(people.database, passwords=Slow(memory_kib=64, passes=1))
    refusal(slow, "ann", PASSWORD)
    assert people.run("SELECT count(*) FROM sessions") == [(0,)]


def test_code_is_asked_for_once_the_password_is_right(people: People) -> None:
    people.add("ann")
    secret = people.enrol("ann")
    refusal(people, "ann", "wrong")
    with pytest.raises(CodeNeeded):
        people.sign_in("ann")
    with pytest.raises(CodeNeeded):
        people.sign_in("ann", code="000000")
    code = people.code(secret)
    assert people.sign_in("ann", code=f" {code[:3]} {code[3:]} ")
    reasons = [details for *_, details in people.trail_of("session.begin")]
    assert reasons[:3] == [
        '{"reason": "password"}',
        '{"reason": "code missing"}',
        '{"reason": "code"}',
    ]
    assert secret not in people.everything()


@pytest.mark.parametrize("steps, valid", [(-2, False), (-1, True), (1, True), (2, False)])
def test_a_clock_may_be_one_step_wrong(people: People, steps: int, valid: bool) -> None:
    people.add("ann")
    code = people.code(people.enrol("ann"), steps)
    if valid:
        assert people.sign_in("ann", code=code)
    else:
        with pytest.raises(CodeNeeded):
            people.sign_in("ann", code=code)


def test_no_code_counts_twice_nor_an_older_one_after_it(people: People) -> None:
    people.add("ann")
    secret = people.enrol("ann")
    people.sign_in("ann", code=people.code(secret))
    for steps in (0, -1):
        with pytest.raises(CodeNeeded, match="was used"):
            people.sign_in("ann", code=people.code(secret, steps))
    assert people.sign_in("ann", code=people.code(secret, 1))


def test_sealed_secret_opens_for_its_own_account_alone(people: People) -> None:
    people.add("ann")
    people.add("bob")
    secret = people.enrol("ann")
    people.run(
        "UPDATE users SET totp_secret = (SELECT totp_secret FROM users WHERE subject = 'ann')"
    )
    with pytest.raises(SignInRefused, match="SECRET_KEY"):
        people.sign_in("bob", code=people.code(secret))


def test_a_factor_that_another_key_sealed_is_said_to_who_knows_the_password(
    people: People, caplog: pytest.LogCaptureFixture
) -> None:
    people.add("ann")
    code = people.code(people.enrol("ann"))
    people.run(
        "UPDATE users SET totp_secret = %s", (SecretKeySeals("new", people.clock).seal("", ""),)
    )
    assert "e-mail address or password" in refusal(people, "ann", "something else")
    assert not caplog.records
    for typed in ("", code):
        with pytest.raises(SignInRefused, match="key .SECRET_KEY. was changed.*administrator"):
            people.sign_in("ann", code=typed)
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert "user ann can not sign in" in caplog.text and "ann@" not in caplog.text
    refused = [json.loads(details)["reason"] for *_, details in people.trail_of("session.begin")]
    assert refused == ["password", "key changed", "key changed"]


def test_administrator_has_no_right_before_the_second_factor(people: People) -> None:
    people.add("root", "admin")
    actor = people.sign_in("root").actor
    assert people.identity.needs_totp(actor) and actor.permissions == frozenset()
    secret = people.enrol("root")
    enrolled = people.sign_in("root", code=people.code(secret))
    assert not people.identity.needs_totp(enrolled.actor)
    assert enrolled.actor.permissions == Role.ADMIN.permissions
    assert people.identity.actor(enrolled.token) == enrolled.actor


def test_other_roles_need_no_second_factor(people: People) -> None:
    people.add("ann", "viewer")
    assert not people.identity.needs_totp(people.sign_in("ann").actor)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(email=st.text(), password=st.text(), code=st.text(), address=st.text(), browser=st.text())
def test_nothing_typed_breaks_it(
    people: People, email: str, password: str, code: str, address: str, browser: str
) -> None:
    with pytest.raises(SignInRefused):
        people.identity.sign_in(email, password, code, Origin(address, browser))


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(token=st.text() | st.from_regex(r"[A-Za-z0-9_-]{43}", fullmatch=True))
def test_no_other_token_is_anybody(people: People, token: str) -> None:
    assert people.identity.actor(token) is None
    people.identity.sign_out(token, HOME)


def test_wild_browser_text_is_kept_short(people: People) -> None:
    people.add("ann")
    wild = replace(HOME, browser="\x00\n<b>" + "x" * 5000)
    people.identity.sign_in("ann@example.com", PASSWORD, "", wild)
    [(browser,)] = people.run("SELECT browser FROM sessions")
    assert browser.startswith("<b>xxx") and len(browser) == 200
