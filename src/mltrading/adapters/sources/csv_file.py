"""A delimited text file of bars, block by block. A clean block is read as whole columns; in a dirty
one a bad row takes only a few neighbours with it to the line-by-line way, so that every bad row is
found with its line and reason and every good one is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mltrading.adapters.sources import dialect as dialects
from mltrading.adapters.sources import spacing
from mltrading.adapters.sources.columns import TextTables
from mltrading.adapters.sources.content import Block, Content
from mltrading.adapters.sources.symbols import FileSymbols, round_the_clock
from mltrading.adapters.sources.table import Judge, Table, notes_on
from mltrading.errors import ImportFailed
from mltrading.services.ports import ReadOptions, ReadRows, Refused, SymbolDetails

FEW_LINES = 1024
SAMPLE_LINES = 2000


class CsvFile:
    """A BarFile over delimited text."""

    def __init__(self, content: Content, options: ReadOptions) -> None:
        self.size = content.size
        self._content = content
        self._dialect = dialects.detect(content, options.date_format)
        self._zone = options.timezone or "UTC"
        sample = self._sample(options)
        self.interval, how = spacing.interval_of(
            sample.stamps, sample.symbol, options.interval, str(content.path)
        )
        by_column = "symbol" in self._dialect.columns
        always = round_the_clock(sample.stamps, content.path)
        symbols = FileSymbols(content.path, options, by_column, always, self._dialect.ticker)
        self.notes = [how, *symbols.notes]
        has_volume = "volume" in self._dialect.columns
        self.notes += notes_on(sample, self.interval, options, has_volume)
        self._tables = TextTables(self._dialect, symbols, not self.interval.intraday, self._zone)
        self._judge = Judge(self.interval, self._zone, options.now)

    @property
    def symbols(self) -> list[SymbolDetails]:
        return self._tables.symbols.known

    def rows(self) -> Iterator[ReadRows]:
        for block in self._content.blocks():
            block = _from_line(block, self._dialect.first_line)
            table, unreadable = self._table(block)
            yield self._judge.rows(
                table, unreadable, self.symbols, _text_finder(block), block.consumed
            )

    def _table(self, block: Block) -> tuple[Table, list[Refused]]:
        table = self._tables.whole(block)
        if table is not None:
            return table, []
        parts, refused = [], []
        for few in _few_lines(block):
            part = self._tables.whole(few)
            if part is None:
                part, bad = self._tables.by_line(_numbered(few))
                refused += bad
            parts.append(part)
        return Table.concat(parts), refused

    def _sample(self, options: ReadOptions) -> Table:
        """The first lines that can be read, with their times as written."""
        head = _from_line(Block(1, self._content.head, 0), self._dialect.first_line)
        symbols = FileSymbols(self._content.path, options, "symbol" in self._dialect.columns)
        tables = TextTables(self._dialect, symbols, True, self._zone)
        sample, refused = tables.by_line(_numbered(head)[:SAMPLE_LINES])
        if refused and not len(sample) and options.interval is None:
            first = refused[0]
            raise ImportFailed(
                f"{self._content.path}: no row can be read; line {first.line}: {first.reason}"
            )
        return sample


def _from_line(block: Block, first: int) -> Block:
    """The block without the lines before `first`."""
    skipped = first - block.line
    if skipped <= 0:
        return block
    lines = block.data.split(b"\n", skipped)
    return Block(first, lines[skipped] if len(lines) > skipped else b"", block.consumed)


def _few_lines(block: Block) -> Iterator[Block]:
    lines = block.data.split(b"\n")
    for start in range(0, len(lines), FEW_LINES):
        few = lines[start : start + FEW_LINES]
        yield Block(block.line + start, b"\n".join(few), block.consumed)


def _numbered(block: Block) -> list[tuple[int, str]]:
    lines = block.data.decode("utf-8", errors="replace").split("\n")
    return list(enumerate(lines, start=block.line))


def _text_finder(block: Block) -> Callable[[int], str]:
    """Text of a line by its number; splits the block at the first question only."""
    lines: list[bytes] = []

    def text(line: int) -> str:
        if not lines:
            lines.extend(block.data.split(b"\n"))
        return lines[line - block.line].decode("utf-8", errors="replace")

    return text
