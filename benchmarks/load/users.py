"""Users as they come: signed in, thinking between two acts, each act timed from when it was due.

A user that waits asks nothing more, as people do. But whatever keeps an act from beginning when it
is due, this program too, is part of what the user waits for, so time is counted from that moment.
Health is asked at fixed times, however long earlier answers take.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import brotli
import orjson

from benchmarks.callbacks import PATH, payload
from benchmarks.load.http import Answer, Connection, NoAnswer

THINK_SECONDS = (0.5, 1.5)
HEALTH_EVERY_SECONDS = 0.25
PAGE_SHARE = 0.2
CODES = ("AAPL", "IBM", "MSFT", "GOOG", "FB")
VIEWS = (
    "range=1Y&interval=1d&indicators=sma:20,bbands:20:2,rsi:14",
    "range=5Y&interval=1d&type=line&indicators=macd:12:26:9",
    "range=ALL&scale=log&interval=1w",
    "range=1Y&interval=1d",
)
CSRF_HEADER = "X-CSRFToken"
_TOKEN = re.compile(rb'name="csrf_token" value="([^"]+)"')
_HEADERS = {"Accept-Encoding": "br", "X-Forwarded-Proto": "https"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One act. `why` is "" where it was answered as it should be, else what was wrong; `shed`: it
    was turned away as it should be, by a 503 that says when to come again."""

    kind: str
    due: float
    seconds: float
    why: str = ""
    shed: bool = False


@dataclass
class User:
    """One browser: its cookies, and two connections, as browsers ask two things at once."""

    host: str
    port: int
    number: int
    listed: list[dict[str, Any]] = field(default_factory=list)
    cookies: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._connections = [Connection(self.host, self.port) for _ in range(2)]
        self._random = random.Random(self.number)

    async def ask(
        self, method: str, path: str, body: bytes | None = None, kind: str = "", at: int = 0
    ) -> Answer:
        address = f"10.{self.number >> 16 & 255}.{self.number >> 8 & 255}.{self.number & 255}"
        headers = {**_HEADERS, "X-Forwarded-For": address}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={v}" for name, v in self.cookies.items())
        if kind:
            headers["Content-Type"] = kind
            token = next((v for n, v in self.cookies.items() if n.endswith("csrf")), "")
            headers[CSRF_HEADER] = token
        answer = await self._connections[at].ask(method, path, headers, body)
        self.cookies |= answer.cookies
        return answer

    async def sign_in(self, email: str, password: str) -> None:
        """By the form, as a person does; RuntimeError where that is refused."""
        found = _TOKEN.search(_plain(await self.ask("GET", "/login")))
        form = {"csrf_token": found[1].decode() if found else "", "email": email}
        body = urlencode({**form, "password": password}).encode()
        kind = "application/x-www-form-urlencoded"
        answer = await self.ask("POST", "/login", body, kind)
        if answer.status != 303:
            raise RuntimeError(f"{email} was answered {answer.status}: {_plain(answer)[:200]!r}")
        await self.ask("GET", "/")  # brings the token of callbacks

    async def load_dependencies(self) -> None:
        answer = await self.ask("GET", "/_dash-dependencies")
        self.listed = orjson.loads(_plain(answer))

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    # -- acts --------------------------------------------------------------------------------------

    async def act(self, due: float) -> Sample:
        """What a user does next."""
        if self._random.random() < PAGE_SHARE:
            return await self.timed("page", due, self.page())
        return await self.timed("callback", due, self.callback())

    async def page(self) -> tuple[str, bool]:
        """A page, from its address to its data, without what a browser has in its cache."""
        path, search, output = self._view()
        for together in ((f"{path}?{search}",), ("/_dash-layout", "/_dash-dependencies")):
            asked = [self.ask("GET", one, at=n) for n, one in enumerate(together)]
            for answer in await asyncio.gather(*asked):
                if answer.status != 200:
                    return _refused(answer)
        address = {"path": path, "search": f"?{search}", "n": 1}
        for said in await asyncio.gather(
            self.fire("page.children", address=address),
            self.fire(output, at=1, address=address),
        ):
            if said != ("", False):
                return said
        return "", False

    async def callback(self) -> tuple[str, bool]:
        """A view changed, or a letter typed into the search."""
        if self._random.random() < 0.15:
            typed: Any = {"search-text": {"text": self._random.choice("abgims"), "n": 1}}
            return await self.fire("symbol-options.children", **typed)
        path, search, output = self._view()
        return await self.fire(output, address={"path": path, "search": f"?{search}", "n": 2})

    async def fire(self, output: str, at: int = 0, **values: Any) -> tuple[str, bool]:
        """Ask for one output; what was wrong, and whether it was turned away."""
        body = payload(self.listed, output, values)
        body["changedPropIds"] = [
            f"{one['id']}.{one['property']}" for one in body["inputs"] if one["id"] in values
        ]
        answer = await self.ask("POST", PATH, orjson.dumps(body), "application/json", at)
        if answer.status != 200:
            return _refused(answer)
        # A callback that failed is a 200 with a message beside outputs that stay as they are.
        given = orjson.loads(_plain(answer)).get("response", {})
        component = output.rpartition(".")[0]
        return ("" if component in given else f"{output} did not come"), False

    async def timed(self, kind: str, due: float, doing: Awaitable[tuple[str, bool]]) -> Sample:
        try:
            why, shed = await doing
        except NoAnswer as error:
            why, shed = f"no answer: {error}", False
        return Sample(kind, due, asyncio.get_running_loop().time() - due, why, shed)

    def _view(self) -> tuple[str, str, str]:
        code, drawn = self._random.choice(CODES), self._random.random()
        if drawn < 0.2:
            return "/", f"q={code[:2]}&sort=change_1d", "overview-drawn.data"
        if drawn < 0.3:
            return "/compare", f"symbols={code},IBM,MSFT&range=5Y", "compare-chart.figure"
        return "/charts", f"symbol={code}&{self._random.choice(VIEWS)}", "chart-answer.data"


def _refused(answer: Answer) -> tuple[str, bool]:
    if answer.status == 503 and answer.headers.get("retry-after", "").isdigit():
        return "503", True
    return f"status {answer.status}", False


def _plain(answer: Answer) -> bytes:
    if answer.headers.get("content-encoding") == "br":
        return bytes(brotli.decompress(answer.body))
    return answer.body


# -- many of them ---------------------------------------------------------------------------------


async def until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - asyncio.get_running_loop().time()))


Act = Callable[[User, float], Awaitable[Sample]]


async def crowd(
    users: Sequence[User],
    seconds: float,
    act: Act = User.act,
    think: tuple[float, float] = THINK_SECONDS,
) -> list[Sample]:
    """All of these users at once, each with its own thinking; every act that was due in time."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    samples: list[Sample] = []

    async def one(user: User) -> None:
        pause = random.Random(user.number)
        due = loop.time() + pause.uniform(0, think[1])
        while due < end:
            await until(due)
            samples.append(await act(user, due))
            due = loop.time() + pause.uniform(*think)

    await asyncio.gather(*map(one, users))
    return samples


async def watch_health(
    host: str, port: int, stop: asyncio.Event, every: float = HEALTH_EVERY_SECONDS
) -> list[Sample]:
    """/health at fixed times until told to stop, each on its own way."""
    loop = asyncio.get_running_loop()
    due, asked = loop.time(), []
    while not stop.is_set():
        await until(due)
        asked.append(asyncio.create_task(health(host, port, due)))
        due += every
    return list(await asyncio.gather(*asked))


async def health(host: str, port: int, due: float) -> Sample:
    connection = Connection(host, port)
    try:
        answer = await connection.ask("GET", "/health", {"X-Forwarded-Proto": "https"})
        why = "" if answer.status == 200 else f"status {answer.status}"
    except NoAnswer as error:
        why = f"no answer: {error}"
    finally:
        connection.close()
    return Sample("health", due, asyncio.get_running_loop().time() - due, why)
