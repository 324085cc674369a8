"""The driver of `make bench-load`: it counts what goes wrong, times from when an act was due, and
fails where a limit is missed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing
from math import nan
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import brotli
import pytest

from benchmarks.load import __main__ as program
from benchmarks.load.http import Connection, NoAnswer
from benchmarks.load.phases import Crowd, crowded_rows, ordinary_rows, slow_rows
from benchmarks.load.report import Row, keep, p95, show
from benchmarks.load.users import Sample, User, crowd, health, watch_health
from mltrading.adapters.postgres.pool import Database
from tests import market_data
from tests.identities import PASSWORD, People
from tests.live_fixtures import served
from tests.visitors import SIGN_IN

CALLBACK = {"output": "chart-answer.data", "inputs": [{"id": "address", "property": "data"}]}
LISTED = [{**CALLBACK, "state": [], "clientside_function": None}]
ANSWERED = json.dumps({"response": {"chart-answer": {"data": 1}}})
NOTHING = json.dumps({"response": {}, "sideUpdate": {"toast": {"children": "failed"}}})

Handler = Callable[[int], Awaitable[bytes | None]]


def answer(status: int, body: str = "", *headers: str) -> bytes:
    packed = brotli.compress(body.encode())
    lines = [f"HTTP/1.1 {status} X", "Content-Encoding: br", *headers]
    lines.append(f"Content-Length: {len(packed)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + packed


def chunked(*parts: bytes) -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (*parts, b""))
    return b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n" + body


class Last(bytes):
    """What is written before the server hangs up."""


@asynccontextmanager
async def stub(handle: Handler) -> AsyncIterator[int]:
    """A server whose answer to the n-th request is `handle(n)`; None hangs up without one."""
    count = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().lower().split("\r\n")
                length = next((one for one in lines if one.startswith("content-length:")), ":0")
                await reader.readexactly(int(length.partition(":")[2]))
                count += 1
                told = await handle(count)
                if told is None:
                    break
                writer.write(told)
                if isinstance(told, Last):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client is gone
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield int(server.sockets[0].getsockname()[1])


def always(*answers: bytes | None) -> Handler:
    """These answers in turn, the last for ever."""

    async def handle(number: int) -> bytes | None:
        return answers[min(number, len(answers)) - 1]

    return handle


def asking(handle: Handler, times: int = 1) -> list[Sample]:
    """What a user met that asked so many times for a chart."""

    async def run() -> list[Sample]:
        async with stub(handle) as port:
            user = User("127.0.0.1", port, 7, LISTED)
            due = asyncio.get_running_loop().time()
            fired = [
                await user.timed("callback", due, user.fire("chart-answer.data", address={}))
                for _ in range(times)
            ]
            user.close()
            return fired

    return asyncio.run(run())


# -- what counts as an answer ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "why", "shed"),
    [
        (answer(200, ANSWERED), "", False),
        (answer(200, NOTHING), "chart-answer.data did not come", False),
        (answer(500), "status 500", False),
        (answer(204), "status 204", False),
        (answer(302, "", "Location: /login"), "status 302", False),
        (answer(429, "", "Retry-After: 3"), "status 429", False),
        (answer(503), "status 503", False),
        (answer(503, "", "Retry-After: soon"), "status 503", False),
        (answer(503, "", "Retry-After: 1"), "503", True),
        (None, "no answer: IncompleteReadError", False),
        (Last(b"HTTP/1.1 200 X\r\nContent-Length: 90\r\n\r\nhalf"), "no answer: ", False),
        (b"nonsense\r\n\r\n", "no answer: ", False),
    ],
)
def test_what_is_no_answer_is_counted(told: bytes | None, why: str, shed: bool) -> None:
    [found] = asking(always(told, None))
    assert found.why.startswith(why) and bool(found.why) == bool(why)
    assert found.shed == shed


def test_a_kept_connection_that_ended_meanwhile_is_no_error() -> None:
    first, second = asking(always(answer(200, ANSWERED), None, answer(200, ANSWERED)), times=2)
    assert (first.why, second.why) == ("", "")


def test_a_whole_answer_is_read_however_it_comes() -> None:
    async def run() -> bytes:
        async with stub(always(chunked(b"one ", b"two"), answer(200, ""))) as port:
            connection = Connection("127.0.0.1", port)
            got = await connection.ask("GET", "/", {})
            assert (await connection.ask("GET", "/", {})).status == 200
            connection.close()
            return got.body

    assert asyncio.run(run()) == b"one two"


def test_who_gets_nothing_in_time_is_told_so() -> None:
    async def never(number: int) -> bytes:
        await asyncio.Event().wait()
        raise AssertionError

    async def run() -> None:
        async with stub(never) as port:
            connection = Connection("127.0.0.1", port)
            with pytest.raises(NoAnswer, match="nothing in 0.05 s"):
                await connection.ask("GET", "/", {}, timeout=0.05)

    asyncio.run(run())


def test_nobody_listening_is_an_error_and_no_end() -> None:
    async def run() -> Sample:
        async with stub(always(None)) as port:
            pass
        return await health("127.0.0.1", port, asyncio.get_running_loop().time())

    assert asyncio.run(run()).why.startswith("no answer")


# -- how it is timed -------------------------------------------------------------------------------


def test_time_counts_from_when_an_act_was_due() -> None:
    """An act that begins a minute late, for whatever reason, took that minute too."""

    async def run() -> Sample:
        async with stub(always(answer(200, ANSWERED))) as port:
            user = User("127.0.0.1", port, 7, LISTED)
            due = asyncio.get_running_loop().time() - 60
            found = await user.timed("callback", due, user.fire("chart-answer.data", address={}))
            user.close()
            return found

    assert 60 <= asyncio.run(run()).seconds < 120


def test_health_is_asked_on_time_while_the_first_answer_is_still_to_come() -> None:
    async def run() -> list[Sample]:
        stop, many = asyncio.Event(), asyncio.Event()

        async def handle(number: int) -> bytes:
            if number == 5:
                many.set()
                stop.set()
            await many.wait()  # nobody is answered before the fifth has asked
            return answer(200)

        async with stub(handle) as port:
            return await watch_health("127.0.0.1", port, stop, every=0.02)

    found = asyncio.run(run())
    assert len(found) >= 5 and all(not one.why for one in found)
    assert found[0].seconds > found[4].seconds
    apart = [b.due - a.due for a, b in zip(found, found[1:])]
    assert apart == pytest.approx([0.02] * len(apart))


def test_a_crowd_thinks_between_its_acts_and_each_is_kept() -> None:
    async def act(user: User, due: float) -> Sample:
        return Sample("callback", due, 0.0, "wrong" if user.number else "")

    async def run() -> list[Sample]:
        users = [User("127.0.0.1", 1, number) for number in range(2)]
        return await crowd(users, 0.2, act, (0.01, 0.02))

    found = asyncio.run(run())
    assert {one.why for one in found} == {"", "wrong"}
    dues = [one.due for one in found if not one.why]
    assert len(dues) >= 2
    assert all(b - a >= 0.0099 for a, b in zip(dues, dues[1:]))


# -- what is said of it ----------------------------------------------------------------------------

GOOD = [Sample(kind, 0.0, 0.05) for kind in ("callback", "page")]
WELL = [Sample("health", 0.0, 0.01)]
SHED = Sample("callback", 0.0, 0.1, "503", shed=True)
BROKEN = Sample("page", 0.0, 0.1, "status 500")


def failing(rows: list[Row]) -> list[str]:
    return [row.name.partition(": ")[2] for row in rows if row.met is False]


@pytest.mark.parametrize(
    ("samples", "health", "expected"),
    [
        (GOOD, WELL, []),
        ([*GOOD, SHED], WELL, ["errors"]),
        ([*GOOD, BROKEN], WELL, ["errors"]),
        ([*GOOD, Sample("callback", 0, 0.6)], WELL, ["callbacks, 95 of 100"]),
        ([*GOOD, Sample("page", 0, 0.9)], WELL, ["pages, 95 of 100"]),
        (GOOD, [Sample("health", 0, 0.2)], ["/health, 95 of 100"]),
        (GOOD, [*WELL, Sample("health", 0, 0.01, "status 500")], ["errors"]),
        ([], [], ["callbacks, 95 of 100", "pages, 95 of 100", "/health, 95 of 100"]),
    ],
)
def test_each_limit_of_few_users_is_judged(
    samples: list[Sample], health: list[Sample], expected: list[str]
) -> None:
    assert failing(ordinary_rows(Crowd(samples, health), "few")) == expected


def test_many_may_be_turned_away_and_nothing_else() -> None:
    turned = crowded_rows(Crowd([*GOOD, SHED, SHED], WELL), "many")
    assert failing(turned) == []
    assert [row.figure for row in turned if row.name == "many: turned away"] == [2]
    assert failing(crowded_rows(Crowd([SHED, BROKEN], WELL), "many")) == [
        "other errors than 503 with Retry-After"
    ]


def test_slow_calls_must_leave_health_alone() -> None:
    assert failing(slow_rows(Crowd(GOOD, WELL), "slow")) == []
    assert failing(slow_rows(Crowd(GOOD, [Sample("health", 0, 0.4)]), "slow")) == [
        "/health, 95 of 100"
    ]


def test_the_95th_of_a_hundred_is_what_that_many_did_not_exceed() -> None:
    assert p95([float(n) for n in range(100, 0, -1)]) == 95.0
    assert p95([3.0]) == 3.0
    assert p95([]) != p95([])


def test_what_was_not_measured_is_not_met(tmp_path: Path) -> None:
    row = Row("growth", nan, "%", 10)
    assert row.met is False
    assert "not known" in show([row])
    keep([row, Row("told", 3, "MB")], tmp_path / "load.json")
    assert json.loads((tmp_path / "load.json").read_text()) == [
        {"name": "growth", "figure": None, "unit": "%", "limit": 10, "met": False},
        {"name": "told", "figure": 3, "unit": "MB", "limit": None, "met": None},
    ]


def test_a_missed_limit_is_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.conclude([Row("a", 1, "ms", 1), Row("b", 9, "MB")]) == 0
    assert "every limit is met" in capsys.readouterr().out
    assert program.conclude([Row("a", 1, "ms", 1), Row("c", 2, "ms", 1)]) == 1
    assert "missed: c" in capsys.readouterr().out


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "many"])
def test_a_time_that_can_not_be_is_refused(seconds: str) -> None:
    with pytest.raises(SystemExit):
        program.main([f"--seconds={seconds}"])


# -- in front of the product -----------------------------------------------------------------------


@pytest.fixture
def product(database_url: str, run_folder: Path) -> Iterator[str]:
    market_data.load(database_url, minutes_of=0)
    with closing(Database(database_url, 1)) as database:
        for number in range(3):
            People(database).add(f"user{number}", "analyst")
    with served(database_url, run_folder, MLTRADING_PROXY="on", **SIGN_IN) as url:
        yield url


@pytest.mark.database
def test_a_short_load_of_the_product_is_without_errors(product: str) -> None:
    port = urlsplit(product).port or 0

    async def run() -> Crowd:
        users = [User("127.0.0.1", port, number) for number in range(3)]
        for user in users:
            await user.sign_in(f"user{user.number}@example.com", PASSWORD)
            await user.load_dependencies()
        stop = asyncio.Event()
        watching = asyncio.create_task(watch_health("127.0.0.1", port, stop))
        samples = await crowd(users, 3.0, think=(0.02, 0.1))
        stop.set()
        stranger = User("127.0.0.1", port, 9, users[0].listed)
        samples.append(await stranger.timed("stranger", 0.0, stranger.callback()))
        for user in (*users, stranger):
            user.close()
        return Crowd(samples, await watching)

    found = asyncio.run(run())
    assert found.wrong() == {"status 401": 1}, "who is not signed in, and nobody else"
    assert len(found.ms("callback")) > 5 and found.ms("page") and len(found.ms("health")) > 5
    rows: dict[str, Any] = {row.name: row for row in ordinary_rows(found, "few")}
    assert rows["few: errors"].figure == 1
