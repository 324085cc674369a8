"""The text of a file in blocks of whole lines: plain or gzip, bounded in memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mltrading.errors import ImportFailed

BLOCK = 8 << 20
HEAD = 256 << 10
LONGEST_LINE = 1 << 20
PIECE = 1 << 20
BOMB_FLOOR = 64 << 20  # below this any ratio is harmless
BOMB_RATIO = 100  # bars compress 3 to 40 times; deflate can reach 1032

_FOREIGN = {
    b"PK\x03\x04": "a zip archive or a spreadsheet; unpack it, or save it as CSV",
    b"BZh": "compressed with bzip2; unpack it first",
    b"\xfd7zXZ": "compressed with xz; unpack it first",
    b"\x28\xb5\x2f\xfd": "compressed with zstandard; unpack it first",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet; save it as CSV",
    b"%PDF": "a PDF",
    b"\xff\xfe": "UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8",
}


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines, each but perhaps the last ended by a newline; the first is number `line`."""

    line: int
    data: bytes
    consumed: int  # bytes of the file behind us, compressed ones where it is


def magic_of(path: Path) -> bytes:
    """The first bytes of a readable, non-empty file."""
    try:
        with path.open("rb") as file:
            magic = file.read(8)
    except IsADirectoryError:
        raise ImportFailed(f"{path} is a folder; name the files in it") from None
    except FileNotFoundError:
        raise ImportFailed(f"{path} does not exist") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ImportFailed(f"{path} can not be read: {reason}") from None
    if not magic:
        raise ImportFailed(f"{path} is empty (0 bytes)")
    return magic


class Content:
    """A text file, read as often as asked."""

    def __init__(self, path: Path) -> None:
        magic = magic_of(path)
        for start, what in _FOREIGN.items():
            if magic.startswith(start):
                raise ImportFailed(f"{path} is {what}")
        self.path = path
        self.size = path.stat().st_size
        self._gzip = magic.startswith(b"\x1f\x8b") or magic == b"\x1f"
        self._carriage_returns = False  # lines end in \r alone, as on Macs before 2001
        head = self._read_head()
        self._carriage_returns = b"\r" in head and b"\n" not in head
        self.head = head.replace(b"\r", b"\n") if self._carriage_returns else head

    def blocks(self, size: int = BLOCK) -> Iterator[Block]:
        """Every line of the file, decoded as little as possible: UTF-8 is checked, no more."""
        line, rest = 1, b""
        with self.path.open("rb") as file:
            for piece in self._pieces(file):
                rest += piece
                if len(rest) >= size:
                    cut = rest.rfind(b"\n") + 1
                    if len(rest) - cut > LONGEST_LINE:
                        raise ImportFailed(f"{self.path}: a line longer than 1 MB; not a table")
                    block = self._checked(Block(line, rest[:cut], file.tell()))
                    line, rest = line + block.data.count(b"\n"), rest[cut:]
                    yield block
            if rest:
                yield self._checked(Block(line, rest, self.size))

    def _read_head(self) -> bytes:
        head = b""
        with self.path.open("rb") as file:
            for piece in self._pieces(file):
                head += piece
                if len(head) >= HEAD:
                    cut = head.rfind(b"\n", 0, HEAD) + 1
                    return head[: cut or HEAD]
        return head

    def _pieces(self, file: BinaryIO) -> Iterator[bytes]:
        pieces = _gunzip(file, self.path) if self._gzip else iter(lambda: file.read(PIECE), b"")
        first = True
        for piece in pieces:
            if first:
                piece, first = piece.removeprefix(b"\xef\xbb\xbf"), False
            yield piece.replace(b"\r", b"\n") if self._carriage_returns else piece

    def _checked(self, block: Block) -> Block:
        if not block.data.isascii():
            try:
                block.data.decode("utf-8")
            except UnicodeDecodeError as error:
                line = block.line + block.data.count(b"\n", 0, error.start)
                raise ImportFailed(
                    f"{self.path}: line {line} is not UTF-8 text; save the file as UTF-8"
                ) from None
        return block


def _gunzip(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """The members of a gzip file one after the other, at most PIECE bytes at a time."""
    inflater = zlib.decompressobj(31)
    made, lines, data = 0, 0, b""
    try:
        while True:
            data = data or file.read(PIECE // 4)
            piece = inflater.decompress(data, PIECE)
            if not data and not piece:
                break
            data = inflater.unconsumed_tail
            made += len(piece)
            lines += piece.count(b"\n")
            _refuse_bomb(made, file.tell(), path)
            if piece:
                yield piece
            if inflater.eof:
                data = inflater.unused_data or file.read(PIECE // 4)
                if not data.strip(b"\0"):  # the end, or the padding that tape archives leave
                    return
                inflater = zlib.decompressobj(31)
    except zlib.error as error:
        raise ImportFailed(
            f"{path} is a damaged gzip file ({error}); copy or download it again"
        ) from None
    raise ImportFailed(
        f"{path} is a truncated gzip file: it breaks off in line {lines + 1}; "
        "copy or download it again"
    )


def _refuse_bomb(made: int, read: int, path: Path) -> None:
    if made > BOMB_FLOOR and made > BOMB_RATIO * read:
        raise ImportFailed(
            f"{path} expands more than {BOMB_RATIO} times, as a decompression bomb does; "
            "unpack it yourself if you trust it"
        )
