"""A small HTTP/1.1 client on asyncio, as light as it can be: it runs on the processors that the
product is measured on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

MOST_BYTES = 64 << 20
TIMEOUT_SECONDS = 30.0  # as platforms wait


class NoAnswer(Exception):
    """Why there was no whole answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Names of headers are lower case; of several of one name the last, but for `cookies`."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cookies: Mapping[str, str] = field(default_factory=dict)


class Connection:
    """One connection to a server, kept and opened again where the server closed it."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        timeout: float = TIMEOUT_SECONDS,
    ) -> Answer:
        """Raises NoAnswer where no whole answer came in time."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host}:{self._port}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        message = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")
        try:
            async with asyncio.timeout(timeout):
                return await self._exchange(message)
        except TimeoutError:
            self.close()
            raise NoAnswer(f"nothing in {timeout:g} s") from None
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            self.close()
            raise NoAnswer(type(error).__name__) from None

    async def _exchange(self, message: bytes) -> Answer:
        kept = self._writer is not None
        try:
            return await self._once(message)
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            # A kept connection may end just as it is used. As a browser does, ask once more, but
            # only where not a byte of an answer had come.
            self.close()
            begun = isinstance(error, asyncio.IncompleteReadError) and error.partial
            if not kept or begun:
                raise
            return await self._once(message)

    async def _once(self, message: bytes) -> Answer:
        if self._writer is None or self._reader is None or self._reader.at_eof():
            self.close()
            self._reader, self._writer = await asyncio.open_connection(
                self._host, self._port, limit=MOST_BYTES
            )
        self._writer.write(message)
        await self._writer.drain()
        head = await self._reader.readuntil(b"\r\n\r\n")
        status, headers, cookies = _parsed(head)
        body = await _body(self._reader, status, headers)
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Answer(status, headers, body, cookies)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


def _parsed(head: bytes) -> tuple[int, dict[str, str], dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    protocol, _, rest = first.partition(" ")
    if not protocol.startswith("HTTP/"):
        raise ValueError("this is no HTTP")
    headers: dict[str, str] = {}
    cookies: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name, value = name.strip().lower(), value.strip()
        if name == "set-cookie":
            key, _, kept = value.partition(";")[0].partition("=")
            cookies[key.strip()] = kept.strip()
        elif name:
            headers[name] = value
    return int(rest.partition(" ")[0]), headers, cookies


async def _body(reader: asyncio.StreamReader, status: int, headers: Mapping[str, str]) -> bytes:
    if status in (204, 304):
        return b""
    if "chunked" not in headers.get("transfer-encoding", "").lower():
        return await reader.readexactly(int(headers.get("content-length", "0")))
    parts = []
    while size := int((await reader.readline()).split(b";")[0], 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readline()
    return b"".join(parts)
