"""`mltrading sample`: the bundled daily bars; with `--simulated` an invented exchange as well."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from mltrading.cli.database import migrated_url
from mltrading.cli.import_bars import importer
from mltrading.cli.start import configured
from mltrading.domain.access import DEVELOPER, Scope
from mltrading.errors import ConfigurationError
from mltrading.utils.clock import SystemClock, microseconds
from mltrading.utils.progress import Progress

if TYPE_CHECKING:
    from mltrading.services.imports import Importer, ImportSummary


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--simulated",
        action="store_true",
        help="also the simulated exchange SIM: 100 invented companies, some with 1-minute bars",
    )
    parser.add_argument(
        "--until", type=day, metavar="DATE", help="newest simulated day (default: the last session)"
    )
    parser.add_argument("--json", action="store_true", help="report as one line of JSON")
    parser.set_defaults(run=run)


def day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be a day such as 2024-12-31, not '{text}'"
        ) from None


def run(arguments: argparse.Namespace) -> int:
    settings = configured()
    if not settings.features.test_mode:
        raise ConfigurationError(
            f"sample data is switched off in {settings.environment} (features.test_mode); "
            "import real bars with: mltrading import FILE"
        )
    with Progress() as say, migrated_url(settings, say) as url, importer(url) as service:
        loaded = {"sample": load_sample(service, say)}
        if arguments.simulated:
            loaded["simulated exchange SIM"] = load_simulated(service, say, arguments.until)
    if arguments.json:
        print(json.dumps(_total(list(loaded.values()))))
    else:
        for name, summary in loaded.items():
            print(f"{name}: {_line(summary)}")
    return 0


def load_if_empty(url: str, say: Callable[[str], None]) -> None:
    """What a first start shows: simulated exchange and sample, where no symbol is stored yet, or
    the sample alone, where a first start was ended between the two."""
    from mltrading.adapters.postgres.pool import Database
    from mltrading.adapters.postgres.symbols import PostgresSymbols
    from mltrading.adapters.sources.companies import COMPANIES

    database = Database(url)
    try:
        stored = PostgresSymbols(database).find(Scope.ALL, "", len(COMPANIES) + 1)
    finally:
        database.close()
    if all(symbol.simulated for symbol in stored):
        with importer(url) as service:
            if not stored:
                load_simulated(service, say)
            load_sample(service, say)


def load_sample(service: Importer, say: Callable[[str], None]) -> ImportSummary:
    """Real daily bars in the public domain. Repeating changes nothing."""
    from mltrading.adapters.sources import sample

    progress = say if isinstance(say, Progress) else None
    return service.run(DEVELOPER, [sample.FILE], sample.OPTIONS, sample.SOURCE, progress)


def load_simulated(
    service: Importer, say: Callable[[str], None], until: date | None = None
) -> ImportSummary:
    """The simulated exchange up to its last completed session. Repeating changes nothing."""
    from mltrading.adapters.sources import simulated

    now = microseconds(SystemClock().now())
    last = None
    if until is not None:
        last = microseconds(datetime(until.year, until.month, until.day, tzinfo=UTC))
    progress = say if isinstance(say, Progress) else None
    bars = simulated.batches(simulated.sessions(now, last))
    return service.load(DEVELOPER, "the simulated exchange SIM", bars, simulated.SOURCE, progress)


def _total(loaded: list[ImportSummary]) -> dict[str, float]:
    counts = [summary.counts() for summary in loaded]
    return {key: round(sum(each[key] for each in counts), 3) for key in counts[0]}


def _line(summary: ImportSummary) -> str:
    file = summary.files[0]
    written = file.written
    return (
        f"{len(file.symbols)} symbols, {written.inserted:,} bars inserted, "
        f"{written.updated:,} updated, {written.unchanged:,} unchanged "
        f"in {summary.seconds:.1f} s"
    )
