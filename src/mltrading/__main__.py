"""`mltrading` = `python -m mltrading`: reads the command line and runs one command.

An error is one line on stderr: exit code 1, or 2 where the command line itself is wrong.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import NoReturn

from mltrading.errors import MLTradingError
from mltrading.utils.text import one_line

INTERRUPTED = 130
DATABASE_DISK_FULL = "53100"  # SQLSTATE disk_full


@dataclass(frozen=True, slots=True)
class Command:
    name: str
    module: str
    help: str
    example: str


COMMANDS = (
    Command("serve", "serve", "start the dashboard and print its address", "serve --port 8051"),
    Command(
        "worker",
        "worker",
        "watch and alert; send the daily digest, and let go what was kept long enough",
        "worker --once",
    ),
    Command(
        "alerts", "alerts", "try the channels of alerts; list, silence, preview", "alerts list"
    ),
    Command(
        "release", "release", "migrate the database and record what runs now", "release --json"
    ),
    Command("db", "db", "look after the database", "db upgrade"),
    Command(
        "import",
        "import_bars",
        "store the bars of CSV and Parquet files",
        "import AAPL.csv --symbol AAPL --interval 1d",
    ),
    Command("users", "users", "who may sign in, with which role", "users add ann@example.com"),
    Command(
        "doctor",
        "doctor",
        "look whether everything is as it has to be, and say what to do",
        "doctor --json",
    ),
    Command(
        "pipeline",
        "pipeline",
        "store the figures of the delivery pipeline",
        "pipeline build/metrics.json",
    ),
    Command("sample", "sample", "load the bundled sample data", "sample --simulated"),
    Command("audit", "audit", "look after the audit trail", "audit verify"),
    Command(
        "privacy",
        "privacy",
        "what is kept about persons: show it, erase it, let it go in time",
        "privacy retain --dry-run",
    ),
)


class Parser(argparse.ArgumentParser):
    """Says what is wrong with a command line in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"mltrading: {one_line(message)} (see {self.prog} --help)\n")


def build_parser(words: Sequence[str]) -> Parser:
    """The parser, with the arguments of the commands named in `words`; the others' modules are
    not imported, to start fast."""
    parser = Parser(
        prog="mltrading",
        description="Charts and honest figures of market data, from PostgreSQL.",
        epilog="example: mltrading serve",
    )
    parser.add_argument("--version", action=ShowVersion)
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    for command in COMMANDS:
        one = commands.add_parser(
            command.name,
            help=command.help,
            description=command.help[0].upper() + command.help[1:] + ".",
            epilog=f"example: mltrading {command.example}",
        )
        if command.name in words:
            import_module(f"mltrading.cli.{command.module}").configure(one)
    return parser


class ShowVersion(argparse.Action):
    """Prints the version, which is looked up only when asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="show the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *rest: object) -> NoReturn:
        from mltrading import __version__

        print(__version__)
        parser.exit()


def main(words: Sequence[str] | None = None) -> NoReturn:
    sys.exit(guarded(lambda: run(sys.argv[1:] if words is None else words)))


def run(words: Sequence[str]) -> int:
    arguments = build_parser(words).parse_args(words)
    command: Callable[[argparse.Namespace], int] = arguments.run
    return command(arguments)


def guarded(run: Callable[[], int]) -> int:
    """The exit code of `run`, with every error that a user can meet said in one line."""
    try:
        return run()
    except MLTradingError as error:
        return _fail(str(error))
    except BrokenPipeError:  # the reader of our output, `head` say, had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return _fail(f"disk full while writing {error.filename or 'a file'}; free some space")
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # psycopg2 may not be loaded, so its error is known by its code
        if getattr(error, "pgcode", None) != DATABASE_DISK_FULL:
            raise
        return _fail("the disk of the database is full; free some space and run again")


def _fail(message: str) -> int:
    print(f"mltrading: {one_line(message)}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    main()
