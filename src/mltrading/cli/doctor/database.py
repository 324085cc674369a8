"""The database: there, of a version and a schema that fit, with rights and room enough."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC

from mltrading.adapters.postgres import grants, migrate
from mltrading.adapters.postgres.connection import place
from mltrading.adapters.postgres.diagnosis import Diagnosis, Schema, Waiting, diagnose, schema_of
from mltrading.adapters.sealing import SecretKeySeals
from mltrading.cli.database import Access, open_database
from mltrading.cli.doctor.findings import Finding, error, ok, told, warning
from mltrading.errors import MLTradingError
from mltrading.services.own_account import totp_purpose
from mltrading.settings import WEB_WORKERS, Settings
from mltrading.utils.clock import SystemClock

OLDEST, NEWEST = 12, 18
LATE_SECONDS, WRONG_SECONDS = 2.0, 15.0  # codes of a second factor last 30 s
NEEDS_OWNER = "set DATABASE_OWNER_URL to a role that may, and run mltrading db upgrade"
NAMED_AT_MOST = 10
BESIDE = WEB_WORKERS + 4  # health checks, the worker, a release


def examine(settings: Settings) -> Iterator[Finding]:
    if settings.database_url is None and not _embedded_is_there(settings):
        yield ok("database", "none yet: the first start makes one in MLTRADING_HOME")
        return
    try:
        access = open_database(settings, lambda _: None)
    except MLTradingError as failure:
        yield told("database", failure)
        return
    try:
        # The embedded server's first upgrade makes the application's role.
        embedded = access.server is not None
        found = diagnose(access.owner_url if embedded else access.url)
        yield version(found, "embedded" if embedded else place(access.url))
        yield from _roles(settings, access)
        yield from _about(settings, found)
    except MLTradingError as failure:
        yield told("database", failure)
    finally:
        access.close()


def _roles(settings: Settings, access: Access) -> Iterator[Finding]:
    """What a start does first: migrate as the owner, then give the other role its rights."""
    shared = access.server is None and access.owner_url != access.url
    try:
        found = schema_of(access.owner_url)
        yield schema(found)
        if shared:
            yield sharing(grants.can_not_give(access.owner_url, access.url))
    except MLTradingError as failure:
        if not shared:
            raise
        fact = str(failure).partition(";")[0]
        yield error("owner", fact, "look at DATABASE_OWNER_URL")
        return
    if found.version == len(migrate.migrations()):
        yield audit(grants.alters_audit(access.url), settings)


def _embedded_is_there(settings: Settings) -> bool:
    return any(settings.home.glob("postgres-*/data/PG_VERSION"))


def _about(settings: Settings, found: Diagnosis) -> Iterator[Finding]:
    if found.read_only:
        yield warning(
            "writing", "the server is read-only", "point DATABASE_URL at the primary, or wait"
        )
    yield encryption(settings, found)
    yield clock(found)
    yield connections(settings, found)
    if found.administrators is not None and settings.sign_in:
        yield administrators(found)
        yield from second_factors(settings, found)


def version(found: Diagnosis, where: str) -> Finding:
    said, major = f"PostgreSQL {found.named}, {where}", found.version // 10_000
    if major < OLDEST:
        return error("database", said, f"{OLDEST} or newer is needed")
    if major > NEWEST:
        return warning("database", said, f"nobody tried newer than {NEWEST} yet")
    return ok("database", said)


def schema(found: Schema) -> Finding:
    known = len(migrate.migrations())
    if found.version is None or found.lacks:
        return error("schema", _can_not_migrate(found, known), NEEDS_OWNER)
    if found.oldest > known:
        return error(
            "schema",
            f"version {found.version} needs a program that knows {found.oldest} or newer",
            "install the newer release",
        )
    if found.version < known:
        return warning(
            "schema",
            f"version {found.version}, pending: {_pending(found.version, known)}",
            "mltrading db upgrade (every start does it too)",
        )
    return ok("schema", f"version {found.version}, nothing pending")


def _can_not_migrate(found: Schema, known: int) -> str:
    lacks = f"the role {found.role} can not migrate it, it lacks {', '.join(found.lacks)}"
    if found.version is None:
        return lacks
    return f"version {found.version}, pending: {_pending(found.version, known)}; {lacks}"


def _pending(version: int, known: int) -> str:
    return ", ".join(map(str, range(version + 1, known + 1)))


def sharing(reasons: list[str]) -> Finding:
    """Whether a start can give the application's role its rights; `reasons` why not."""
    if reasons:
        return error(
            "owner",
            f"the role of DATABASE_OWNER_URL can not {', nor '.join(reasons)}",
            "let it own schema and database (docs/operator.md, two roles)",
        )
    return ok("owner", "it can give the application's role its rights")


def encryption(settings: Settings, found: Diagnosis) -> Finding:
    if found.local:
        return ok("encryption", "not needed: a socket of this machine")
    if found.encrypted:
        return ok("encryption", "TLS is in use")
    if settings.environment == "development":
        return ok("encryption", "no TLS, as development may")
    return warning(
        "encryption",
        "data and password travel in the open",
        "set database.ssl_required to true, and TLS on the server",
    )


def clock(found: Diagnosis) -> Finding:
    ahead = found.ahead_seconds
    said = f"{abs(ahead):.1f} s {'behind' if ahead > 0 else 'before'} that of the database"
    advice = "let both set their clocks by NTP"
    if abs(ahead) >= WRONG_SECONDS:
        return error("clock", said, advice)
    if abs(ahead) >= LATE_SECONDS:
        return warning("clock", said, advice)
    return ok("clock", "as the database's")


def connections(settings: Settings, found: Diagnosis) -> Finding:
    """An instance is all that one deployment runs; a second one starts beside it at a release."""
    needed = settings.connection_pool + BESIDE
    free = found.connections - found.others
    said = f"an instance needs up to {needed} of {free} connections"
    advice = "lower database.connection_pool, or raise max_connections"
    if needed > free:
        return error("connections", said, advice)
    if 2 * needed > free:
        return warning("connections", f"{said}: no second one fits beside it", advice)
    return ok("connections", f"{said}: {free // needed} instances fit")


def audit(rights: list[str], settings: Settings) -> Finding:
    if not rights:
        return ok("audit trail", "the application's role can not change it")
    said = f"the application's role may {', '.join(rights)}"
    if settings.environment == "development":
        return ok("audit trail", f"{said}, as in development with a server of one's own")
    return warning(
        "audit trail", said, "migrate as another role: DATABASE_OWNER_URL (docs/operator.md)"
    )


def administrators(found: Diagnosis) -> Finding:
    count, with_factor = found.administrators or 0, found.second_factor
    if not count and found.waiting:
        return _links(found.waiting)
    if not count:
        return error(
            "administrators",
            "nobody can administer",
            "mltrading users add you@example.com --role admin",
        )
    if with_factor < count:
        return warning(
            "administrators",
            f"{count - with_factor} of {count} without a second factor",
            "they set one up at /account after signing in",
        )
    return ok("administrators", f"{count}, each with a second factor")


def _links(waiting: tuple[Waiting, ...]) -> Finding:
    """Nobody can administer yet, and these have, or had, a link that sets a password."""
    valid = [one for one in waiting if one.valid]
    shown = (valid or list(waiting))[:NAMED_AT_MOST]
    links = ", ".join(map(_link, shown))
    advice = f"mltrading users reset {shown[0].email} prints a new link"
    if valid:
        said = f"nobody can administer before a password is set by the link made for {links}"
        return warning("administrators", said, advice)
    said = f"nobody can administer: no password is set, and no link for one is valid: {links}"
    return error("administrators", said, advice)


def _link(one: Waiting) -> str:
    if one.until is None:
        return f"{one.email} (none is kept)"
    end = f"{one.until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return f"{one.email} ({'until' if one.valid else 'it ended'} {end})"


def second_factors(settings: Settings, found: Diagnosis) -> Iterator[Finding]:
    """Whether SECRET_KEY opens them; nothing where nobody has one."""
    if not found.factors or settings.secret_key is None:
        return
    seals = SecretKeySeals(settings.secret_key.get_secret_value(), SystemClock())
    locked = [
        email
        for subject, email, sealed in found.factors
        if seals.open(totp_purpose(subject), sealed) is None
    ]
    if not locked:
        yield ok("second factors", f"SECRET_KEY opens all {len(found.factors)}")
        return
    more = f" and {len(locked) - NAMED_AT_MOST} more" if len(locked) > NAMED_AT_MOST else ""
    yield error(
        "second factors",
        f"{len(locked)} of {len(found.factors)} were sealed with another SECRET_KEY, so these can"
        f" not sign in with a password: {', '.join(locked[:NAMED_AT_MOST])}{more}",
        "put the former key back and they work again, or for each"
        " mltrading users reset EMAIL --second-factor",
    )
