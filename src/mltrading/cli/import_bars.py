"""`mltrading import FILE...`: store the bars of CSV and Parquet files."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mltrading.cli.database import migrated_url
from mltrading.cli.start import configured
from mltrading.domain.access import DEVELOPER
from mltrading.domain.bars import STORED, Interval
from mltrading.utils.progress import Progress
from mltrading.utils.text import one_line

if TYPE_CHECKING:
    from mltrading.domain.calendar import Calendars
    from mltrading.services.imports import FileSummary, Importer, ImportSummary

LONGEST_SOURCE = 64


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help="CSV (.gz) or Parquet")
    parser.add_argument(
        "--symbol", help="the symbol of the bars (default: a symbol column, else the file's name)"
    )
    parser.add_argument(
        "--interval",
        type=interval,
        help=f"length of a bar: {', '.join(i.value for i in STORED)} (default: from the rows)",
    )
    parser.add_argument("--tz", help="zone of times written without one (default: UTC)")
    parser.add_argument(
        "--source",
        type=source_name,
        default="file",
        help="where the bars come from, as shown: up to 64 characters (default: file)",
    )
    parser.add_argument("--date-format", help="how dates are written, such as %%d/%%m/%%Y %%H:%%M")
    parser.add_argument("--json", action="store_true", help="report as one line of JSON")
    parser.set_defaults(run=run)


def interval(text: str) -> Interval:
    try:
        return Interval(text)
    except ValueError:
        known = ", ".join(i.value for i in STORED)
        raise argparse.ArgumentTypeError(f"must be one of {known}, not '{text}'") from None


def source_name(text: str) -> str:
    name = text.strip()
    if not 1 <= len(name) <= LONGEST_SOURCE or not name.isprintable():
        found = ascii(name) if len(name) <= LONGEST_SOURCE else f"{len(name)} characters"
        raise argparse.ArgumentTypeError(
            f"must be 1 to {LONGEST_SOURCE} printable characters on one line, not {found}"
        )
    return name


def run(arguments: argparse.Namespace) -> int:
    from mltrading.adapters.calendar_files import KeptCalendars
    from mltrading.adapters.sources.content import magic_of
    from mltrading.services.ports import ReadOptions, Source

    options = ReadOptions(
        now=0,
        symbol=arguments.symbol,
        interval=arguments.interval,
        timezone=arguments.tz,
        date_format=arguments.date_format,
    )
    settings = configured()
    calendars = KeptCalendars(settings.home / "calendars")
    for path in arguments.files:
        magic_of(path)  # a mistyped name is said at once, not after a database has started
    with Progress() as say, migrated_url(settings, say) as url, importer(url, calendars) as service:
        summary = service.run(DEVELOPER, arguments.files, options, Source(arguments.source), say)
    report(summary, arguments.json)
    return 0


@contextmanager
def importer(url: str, calendars: Calendars | None = None) -> Iterator[Importer]:
    """The import service over the database at `url`."""
    from mltrading.adapters.postgres.pool import Database
    from mltrading.adapters.postgres.writer import PostgresBarWriter
    from mltrading.adapters.sources.files import LocalFiles
    from mltrading.services.imports import Importer
    from mltrading.utils.clock import SystemClock

    database = Database(url)
    try:
        yield Importer(LocalFiles(), PostgresBarWriter(database), SystemClock(), calendars)
    finally:
        database.close()


def report(summary: ImportSummary, as_json: bool) -> None:
    """The outcome on stdout: one line of JSON, or lines for people."""
    if as_json:
        notes = [f"{file.file}: {note}" for file in summary.files for note in file.notes]
        print(json.dumps({**summary.counts(), "notes": notes}))
        return
    for file in summary.files:
        print("\n".join(_lines(file)))
    rate = summary.read / summary.seconds if summary.seconds else 0
    print(f"{summary.read:,} rows in {summary.seconds:.1f} s ({rate:,.0f} a second)")


def _lines(file: FileSummary) -> Iterator[str]:
    written = file.written
    names = ", ".join(file.symbols[:5]) + (" ..." if len(file.symbols) > 5 else "")
    yield f"{file.file}: {names or 'no symbol'} {file.interval}"
    for note in file.notes:
        yield f"  {note}"
    yield (
        f"  {file.read:,} read: {written.inserted:,} inserted, {written.updated:,} updated, "
        f"{written.unchanged:,} unchanged, {file.quarantined:,} quarantined"
    )
    for row in file.first_refused:
        yield f"  line {row.line}: {row.reason}: {one_line(row.row_text)[:80]}"
    if file.quarantined:
        yield "  all of them, with line and reason: table quarantine in the database"
