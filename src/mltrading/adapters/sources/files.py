"""Opens a file of bars by what is in it, not by its name."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mltrading.adapters.sources import spacing, symbols
from mltrading.adapters.sources.content import Content, magic_of
from mltrading.adapters.sources.csv_file import CsvFile
from mltrading.adapters.sources.parquet_file import ParquetFile
from mltrading.errors import ImportFailed
from mltrading.services.ports import BarFile, ReadOptions


class LocalFiles:
    """Files on this machine: Parquet, or delimited text, plain or gzip."""

    def open(self, path: Path, options: ReadOptions) -> BarFile:
        """ImportFailed where the options or the file as a whole make no sense."""
        spacing.refuse_derived(options.interval)
        symbols.refuse_invalid(options.symbol)
        _refuse_unknown_zone(options.timezone)
        if magic_of(path).startswith(b"PAR1"):
            return ParquetFile(path, options)
        return CsvFile(Content(path), options)


def _refuse_unknown_zone(name: str | None) -> None:
    try:
        ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ImportFailed(
            f"unknown time zone {name!r}; use a name such as America/New_York"
        ) from None
