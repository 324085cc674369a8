"""`mltrading users`: who may sign in, with which role. Who can reach the database may do this."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mltrading.cli.database import migrated_url
from mltrading.cli.start import configured
from mltrading.domain.access import CONSOLE, Role
from mltrading.services.ports.audit import Origin
from mltrading.utils.progress import Progress

if TYPE_CHECKING:
    from mltrading.services.accounts import Accounts, UserInfo
    from mltrading.settings import Settings

HERE = Origin(browser="command line")
ROLES = [role.value for role in Role]
NARROWEST = Role.VIEWER.value


def configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    add = _action(actions, "add", add_user, "make an account", "ann@example.com --role analyst")
    add.add_argument("email")
    add.add_argument("--role", choices=ROLES, default=NARROWEST, help=f"default: {NARROWEST}")
    add.add_argument(
        "--password-stdin",
        action="store_true",
        help="read the password from standard input instead of printing a link that sets it",
    )
    _link_options(add)
    listing = _action(actions, "list", list_users, "show all accounts", "--json")
    _json_option(listing)
    role = _action(actions, "role", set_role, "give another role", "ann@example.com admin")
    role.add_argument("email")
    role.add_argument("role", choices=ROLES)
    for name, run, help in (
        ("disable", disable, "let somebody in no more, from this moment on"),
        ("enable", enable, "let somebody in again"),
    ):
        _action(actions, name, run, help, "ann@example.com").add_argument("email")
    reset = _action(
        actions, "reset", reset_user, "print a link that sets a new password", "ann@example.com"
    )
    reset.add_argument("email")
    reset.add_argument(
        "--second-factor", action="store_true", help="drop the second factor too: a lost phone"
    )
    _link_options(reset)


def _action(
    actions: Any,
    name: str,
    run: Callable[[argparse.Namespace], int],
    help: str,
    example: str,
) -> argparse.ArgumentParser:
    """The parser of one action."""
    one: argparse.ArgumentParser = actions.add_parser(
        name, help=help, epilog=f"example: mltrading users {name} {example}"
    )
    one.set_defaults(run=run)
    return one


def _json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="report as one line of JSON")


def _link_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--url",
        type=address,
        metavar="URL",
        help="where the dashboard is, such as https://example.com (default: MLTRADING_URL)",
    )
    _json_option(parser)


def address(text: str) -> str:
    """The beginning of a link: encrypted, or on this machine."""
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.query or parts.fragment:
        raise argparse.ArgumentTypeError(f"must be like https://example.com, not '{text}'")
    loopback = host in ("localhost", "127.0.0.1", "::1")
    if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
        raise argparse.ArgumentTypeError(f"must begin with https://, not '{text}'")
    return text.rstrip("/")


def add_user(arguments: argparse.Namespace) -> int:
    role, link = Role(arguments.role), ""
    password = read_password() if arguments.password_stdin else None
    settings = configured()
    with opened_accounts(settings) as accounts:
        if password is None:
            link = accounts.add(CONSOLE, arguments.email, role, HERE)
        else:
            accounts.add_with_password(CONSOLE, arguments.email, role, password, HERE)
        user = accounts.find(CONSOLE, arguments.email)
    _report(arguments, user, "added", link, settings.url)
    return 0


def list_users(arguments: argparse.Namespace) -> int:
    with opened_accounts() as accounts:
        users = accounts.users(CONSOLE)
    if arguments.json:
        print(json.dumps([facts(user) for user in users]))
        return 0
    rows = [
        ("E-MAIL", "ROLE", "STATE", "SECOND FACTOR", "SESSIONS"),
        *(
            (user.email, user.role.value, state(user), _yes(user.second_factor), str(user.sessions))
            for user in users
        ),
    ]
    if not users:
        print("nobody has an account; mltrading users add ann@example.com --role admin makes one")
        return 0
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    return 0


def set_role(arguments: argparse.Namespace) -> int:
    role = Role(arguments.role)
    with opened_accounts() as accounts:
        user = accounts.find(CONSOLE, arguments.email)
        accounts.set_role(CONSOLE, user.id, role, HERE)
    _done(f"{user.email} is {role.value}", user.role is role)
    return 0


def disable(arguments: argparse.Namespace) -> int:
    with opened_accounts() as accounts:
        user = accounts.find(CONSOLE, arguments.email)
        accounts.disable(CONSOLE, user.id, HERE)
    _done(f"{user.email} is disabled", user.disabled)
    return 0


def enable(arguments: argparse.Namespace) -> int:
    with opened_accounts() as accounts:
        user = accounts.find(CONSOLE, arguments.email)
        accounts.enable(CONSOLE, user.id, HERE)
    _done(f"{user.email} is enabled", not user.disabled)
    return 0


def reset_user(arguments: argparse.Namespace) -> int:
    settings = configured()
    with opened_accounts(settings) as accounts:
        user = accounts.find(CONSOLE, arguments.email)
        link = accounts.reset(CONSOLE, user.id, HERE, second_factor=arguments.second_factor)
    _report(arguments, user, "reset", link, settings.url)
    return 0


@contextmanager
def opened_accounts(settings: Settings | None = None) -> Iterator[Accounts]:
    """The accounts of the database that the settings name."""
    from mltrading.adapters.passwords import Argon2Passwords
    from mltrading.adapters.postgres.identity import PostgresIdentity
    from mltrading.adapters.postgres.pool import Database
    from mltrading.services.accounts import Accounts

    settings = settings or configured()
    with ExitStack() as opened:
        with Progress() as say:
            url = opened.enter_context(migrated_url(settings, say))
        database = opened.enter_context(closing(Database(url, 1)))
        yield Accounts(PostgresIdentity(database), Argon2Passwords())


def read_password() -> str:
    """The first line of standard input; asked for without showing it where that is a terminal."""
    if sys.stdin.isatty():
        return getpass.getpass("password: ")
    return sys.stdin.readline().rstrip("\r\n")


def facts(user: UserInfo) -> dict[str, object]:
    """One account as JSON."""
    return {
        "email": user.email,
        "role": user.role.value,
        "id": user.id,
        "disabled": user.disabled,
        "password": user.password,
        "second_factor": user.second_factor,
        "issuer": user.issuer,
        "created_at": user.created_at.isoformat(),
        "sessions": user.sessions,
        "seen_at": _iso(user.seen_at),
    }


def state(user: UserInfo) -> str:
    """How the user may sign in, in a word or two."""
    if user.disabled:
        return "disabled"
    roads = [*(["password"] if user.password else []), *(["provider"] if user.issuer else [])]
    return " and ".join(roads) or "waits for a password"


def _report(
    arguments: argparse.Namespace, user: UserInfo, what: str, link: str, known: str | None
) -> None:
    """`known`: where the deployment says that it is reached."""
    path = f"{arguments.url or known or ''}/password/{link}" if link else None
    if arguments.json:
        print(json.dumps({"email": user.email, "role": user.role.value, "link": path}))
        return
    print(f"{what}: {user.email}, {user.role.value}")
    if path:
        print(f"the password is set at this address, once, within a day:\n{path}")


def _done(text: str, already: bool) -> None:
    print(f"{text} already" if already else text)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
