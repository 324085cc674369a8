"""Accounts and sign-ins for tests, on a real database; the hashes are cheap ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyotp

from mltrading.adapters.passwords import Argon2Passwords
from mltrading.adapters.postgres.audit import PostgresAudit
from mltrading.adapters.postgres.identity import PostgresIdentity
from mltrading.adapters.postgres.limits import PostgresLimiter
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.sealing import SecretKeySeals
from mltrading.adapters.totp import TotpCodes
from mltrading.domain.access import Role
from mltrading.services.accounts import Accounts
from mltrading.services.attempts import Attempts
from mltrading.services.identity import Identity, SignedIn, Tools
from mltrading.services.own_account import totp_purpose
from mltrading.services.ports.audit import Origin
from mltrading.services.ports.openid import OpenIdProvider
from mltrading.services.tokens import new_token, token_hash

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECRET_KEY = "0123456789abcdef" * 4
PASSWORD = "nineteen blue herons"
NEW_PASSWORD = "eleven quiet otters"
HOME = Origin("203.0.113.7", "Firefox")
CHEAP = Argon2Passwords(memory_kib=64, passes=1)


class SetClock:
    """Stands still until it is moved."""

    def __init__(self, moment: datetime = NOON) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment

    def wait(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@dataclass
class People:
    """The identity service over one database, and the people who use it."""

    database: Database
    by_account: tuple[int, int] = (1000, 300)
    by_address: tuple[int, int] = (1000, 300)
    passwords: Argon2Passwords = CHEAP
    clock: SetClock = field(default_factory=SetClock)
    home: Origin = HOME
    provider: OpenIdProvider | None = None
    provider_role: Role | None = None

    def __post_init__(self) -> None:
        self.store = PostgresIdentity(self.database)
        self.trail = PostgresAudit(self.database)
        self.seals = SecretKeySeals(SECRET_KEY, self.clock)
        self.limiter = PostgresLimiter(self.database, draw=lambda: 1.0)
        self.identity = Identity(
            Tools(
                self.store,
                self.passwords,
                TotpCodes(),
                self.seals,
                Attempts(self.limiter, self.trail, self.by_account, self.by_address),
                self.trail,
                self.clock,
                self.provider,
                self.provider_role,
            )
        )
        self.accounts = Accounts(self.store, self.passwords)

    def add(self, name: str, role: str = "viewer", password: str | None = PASSWORD) -> str:
        """An account `name`@example.com; its id is `name`."""
        known = None if password is None else self.passwords.hash(password)
        self.run(
            "INSERT INTO users (subject, email, role, password_hash) VALUES (%s, %s, %s, %s)",
            (name, f"{name}@example.com", role, known),
        )
        return name

    def enrol(self, name: str) -> str:
        """Give the account a second factor; its secret."""
        secret = pyotp.random_base32()
        sealed = self.seals.seal(totp_purpose(name), secret)
        self.run("UPDATE users SET totp_secret = %s WHERE subject = %s", (sealed, name))
        return secret

    def link(self, name: str) -> str:
        """A one-time link of the account, as a reset issues it; the password stays."""
        token = new_token()
        with self.store.change() as change:
            change.hold(name)
            change.add_link(name, token_hash(token) or b"", 24 * 3600)
        return token

    def symbol(self, code: str, shared: bool = False) -> None:
        """A symbol without bars."""
        self.run(
            "INSERT INTO symbols (code, name, exchange, calendar, timezone, sector, industry,"
            " currency) VALUES (%s, '', '', '', 'UTC', '', '', 'USD')",
            (code,),
        )
        if shared:
            self.run("INSERT INTO shared_symbols SELECT id FROM symbols WHERE code = %s", (code,))

    def code(self, secret: str, steps: int = 0) -> str:
        """The code that an app with the secret shows, `steps` half minutes from now."""
        return pyotp.TOTP(secret).at(self.clock.now() + timedelta(seconds=30 * steps))

    def sign_in(self, name: str, password: str = PASSWORD, code: str = "") -> SignedIn:
        return self.identity.sign_in(f"{name}@example.com", password, code, HOME)

    def run(self, statement: str, values: object = ()) -> list[tuple[Any, ...]]:
        with self.database.transaction() as connection, connection.cursor() as cursor:
            cursor.execute(statement, values)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def trail_of(self, action: str) -> list[tuple[Any, ...]]:
        """(actor, outcome, target, details) of each event of that action, in order."""
        return self.run(
            "SELECT actor, outcome, target, details FROM audit WHERE action = %s ORDER BY seq",
            (action,),
        )

    def everything(self) -> str:
        """All that the tables of identity and audit hold, as text."""
        tables = "sessions", "password_links", "rate_limits", "audit", "audit_origins"
        return "\n".join(
            str(self.run(f"SELECT row_to_json(t)::text FROM {table} t")) for table in tables
        )
