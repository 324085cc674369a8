"""What is done to the product, one after another, and the figures of each."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from math import nan

from benchmarks.load.product import Processors, Product
from benchmarks.load.report import Row, p95
from benchmarks.load.users import Sample, User, crowd, health, until, watch_health
from benchmarks.report import LIMITS
from tests.identities import PASSWORD

ORDINARY, MANY, BESIDE, SLOW = 50, 200, 20, 8
CALLBACK_MS, PAGE_MS, HEALTH_MS = (LIMITS[n].limit for n in ("callback", "answer", "health"))
BESIDE_HEALTH_MS = 300.0
BACK_SECONDS, NORMAL_SECONDS, GROWTH_PERCENT = 5.0, 30.0, 10.0
CALM_SECONDS = 3.0  # so long all has to be normal, to be called that
PROBE_SECONDS = 0.2
SIGN_INS_AT_ONCE = 4
MINUTE_VIEW = "?symbol=PETV.SIM&interval=1m&range=1W"


@dataclass(frozen=True)
class Crowd:
    """What some users met, and /health beside them."""

    samples: Sequence[Sample]
    health: Sequence[Sample]

    def ms(self, kind: str) -> list[float]:
        """How long acts of that kind took which were answered as they should."""
        taken = (one for one in (*self.samples, *self.health) if one.kind == kind and not one.why)
        return [1000 * one.seconds for one in taken]

    def wrong(self, *, forgiving: bool = False) -> Counter[str]:
        """What went wrong how often; who forgives counts nothing that was turned away properly."""
        acts = (*self.samples, *self.health)
        return Counter(one.why for one in acts if one.why and not (forgiving and one.shed))


class Load:
    """The whole of it, `seconds` of 50 users; the rest is in proportion."""

    def __init__(self, product: Product, seconds: float) -> None:
        self._product = product
        self._seconds = seconds
        self._users: list[User] = []

    async def run(self) -> list[Row]:
        await self._sign_in(MANY)
        part = max(5.0, self._seconds / 6)
        say(f"warming, {part:.0f} s")
        await self._crowd(ORDINARY, part)
        workers, warm = self._product.workers(), self._product.resident_megabytes()
        rows = [
            *await self._ordinary(),
            *await self._many(2 * part),
            *await self._beside_slow_ones(part),
            *self._grown(workers, warm),
            *await self._database_back(workers),
        ]
        for user in self._users:
            user.close()
        return rows

    async def _sign_in(self, count: int) -> None:
        say(f"{count} users sign in")
        turn = asyncio.Semaphore(SIGN_INS_AT_ONCE)
        users = [User("127.0.0.1", self._product.port, number) for number in range(count)]

        async def one(user: User) -> None:
            async with turn:
                await user.sign_in(f"user{user.number}@example.com", PASSWORD)

        await asyncio.gather(*map(one, users))
        await users[0].load_dependencies()
        for user in users:
            user.listed = users[0].listed
        self._users = users

    async def _crowd(self, count: int, seconds: float) -> Crowd:
        return await self._watched(crowd(self._users[:count], seconds))

    async def _watched(self, acting: Awaitable[list[Sample]]) -> Crowd:
        stop = asyncio.Event()
        watching = asyncio.create_task(watch_health("127.0.0.1", self._product.port, stop))
        samples = await acting
        stop.set()
        return Crowd(samples, await watching)

    async def _ordinary(self) -> list[Row]:
        say(f"{ORDINARY} users, {self._seconds:.0f} s")
        before = self._product.processor_seconds()
        found = await self._crowd(ORDINARY, self._seconds)
        used = self._product.processor_seconds()
        return [
            *ordinary_rows(found, f"{ORDINARY} users"),
            Row(f"{ORDINARY} users: acts a second", len(found.samples) / self._seconds, "1/s"),
            *processor_rows(before, used, self._seconds, f"{ORDINARY} users"),
        ]

    async def _many(self, seconds: float) -> list[Row]:
        say(f"{MANY} users, {seconds:.0f} s")
        found = await self._crowd(MANY, seconds)
        return [
            *crowded_rows(found, f"{MANY} users"),
            Row(f"{MANY} users: normal again after", await self._calm(), "s", NORMAL_SECONDS),
        ]

    async def _calm(self) -> float:
        """Seconds until an act and /health are as with few users, and stay so."""
        loop = asyncio.get_running_loop()
        begun, calm_since = loop.time(), nan
        due, user = begun, self._users[0]
        while due - begun <= NORMAL_SECONDS + CALM_SECONDS:
            await until(due)
            act = await user.timed("callback", due, user.callback())
            well = await health("127.0.0.1", self._product.port, loop.time())
            normal = not act.why and not well.why
            if not normal or act.seconds > CALLBACK_MS / 1000 or well.seconds > HEALTH_MS / 1000:
                calm_since = nan
            elif calm_since != calm_since:
                calm_since = due
            if loop.time() - calm_since >= CALM_SECONDS:
                return calm_since - begun
            due = loop.time() + PROBE_SECONDS
        return nan

    async def _beside_slow_ones(self, seconds: float) -> list[Row]:
        say(f"{SLOW} users whose calls the database holds up, {BESIDE} others, {seconds:.0f} s")
        slow, others = self._users[:SLOW], self._users[SLOW : SLOW + BESIDE]

        async def ask_minutes(user: User, due: float) -> Sample:
            address = {"path": "/charts", "search": MINUTE_VIEW, "n": 1}
            return await user.timed("slow", due, user.fire("chart-answer.data", address=address))

        async def both() -> list[Sample]:
            held = asyncio.create_task(crowd(slow, seconds, ask_minutes, (0.1, 0.3)))
            most = asyncio.create_task(self._most_waiting(held))
            ordinary = await crowd(others, seconds)
            waited.append(await most)
            held.cancel()
            await asyncio.gather(held, return_exceptions=True)
            return ordinary

        waited: list[int] = []
        with self._product.minutes_locked():
            found = await self._watched(both())
        if not waited[0]:
            raise RuntimeError("no call waited for the lock: nothing was slow")
        return [
            *slow_rows(found, f"beside {SLOW} slow calls"),
            Row(f"beside {SLOW} slow calls: held by the database at once", waited[0], "calls"),
        ]

    async def _most_waiting(self, acting: asyncio.Task[list[Sample]]) -> int:
        most = 0
        end = asyncio.get_running_loop().time() + max(4.0, self._seconds / 8)
        while not acting.done() and asyncio.get_running_loop().time() < end:
            most = max(most, await asyncio.to_thread(self._product.waiting))
            await asyncio.sleep(PROBE_SECONDS)
        return most

    def _grown(self, workers: list[int], warm: float) -> list[Row]:
        same = sorted(self._product.workers()) == sorted(workers)
        grown = 100 * (self._product.resident_megabytes() / warm - 1) if same else nan
        return [
            Row("memory of the workers, warm", warm, "MB"),
            Row("memory of the workers: growth since", grown, "%", GROWTH_PERCENT),
        ]

    async def _database_back(self, workers: list[int]) -> list[Row]:
        say("the database stops, and starts again")
        await asyncio.to_thread(self._product.database.close)
        while not (await self._health()).why:
            await asyncio.sleep(PROBE_SECONDS)
        starting = asyncio.create_task(asyncio.to_thread(self._product.database.start))
        while not await asyncio.to_thread(self._product.answers):
            await asyncio.sleep(0.01)
        back = time.monotonic()
        user = self._users[0]
        while (await self._health()).why or (await user.timed("", 0, user.callback())).why:
            if time.monotonic() - back > NORMAL_SECONDS:
                break
            await asyncio.sleep(0.05)
        seconds = time.monotonic() - back
        await starting
        same = sorted(self._product.workers()) == sorted(workers)
        return [
            Row("the database is back: healthy and answering after", seconds, "s", BACK_SECONDS),
            Row("the database is back: workers replaced", 0 if same else 1, "", 0),
        ]

    async def _health(self) -> Sample:
        loop = asyncio.get_running_loop()
        return await health("127.0.0.1", self._product.port, loop.time())


def ordinary_rows(found: Crowd, name: str) -> list[Row]:
    """Nothing may go wrong, and nobody wait long."""
    _tell(found.wrong())
    return [
        Row(f"{name}: errors", found.wrong().total(), "", 0),
        Row(f"{name}: callbacks, 95 of 100", p95(found.ms("callback")), "ms", CALLBACK_MS),
        Row(f"{name}: pages, 95 of 100", p95(found.ms("page")), "ms", PAGE_MS),
        Row(f"{name}: /health, 95 of 100", p95(found.ms("health")), "ms", HEALTH_MS),
    ]


def processor_rows(before: Processors, after: Processors, seconds: float, name: str) -> list[Row]:
    """How many processors each part kept busy. What others on the machine use makes all the times
    above longer, so it is told beside them."""
    parts = {
        one: (getattr(after, one) - getattr(before, one)) / seconds
        for one in ("workers", "database", "driver", "machine")
    }
    others = parts["machine"] - parts["workers"] - parts["database"] - parts["driver"]
    return [
        Row(f"{name}: processors, the workers", parts["workers"], "of the machine's"),
        Row(f"{name}: processors, the database", parts["database"], "of the machine's"),
        Row(f"{name}: processors, this program", parts["driver"], "of the machine's"),
        Row(f"{name}: processors, others on the machine", max(0.0, others), "of the machine's"),
    ]


def crowded_rows(found: Crowd, name: str) -> list[Row]:
    """Some may be turned away, by an answer that says when to come again; nothing else."""
    _tell(found.wrong())
    return [
        Row(f"{name}: other errors than 503 with Retry-After", _bad(found), "", 0),
        Row(f"{name}: turned away", found.wrong().total() - _bad(found), ""),
        Row(f"{name}: callbacks, 95 of 100", p95(found.ms("callback")), "ms"),
        Row(f"{name}: /health, 95 of 100", p95(found.ms("health")), "ms"),
    ]


def slow_rows(found: Crowd, name: str) -> list[Row]:
    """/health goes on, and the others are answered or turned away properly."""
    _tell(found.wrong())
    return [
        Row(f"{name}: /health, 95 of 100", p95(found.ms("health")), "ms", BESIDE_HEALTH_MS),
        Row(f"{name}: other errors than 503 with Retry-After", _bad(found), "", 0),
        Row(f"{name}: others' callbacks, 95 of 100", p95(found.ms("callback")), "ms"),
        Row(f"{name}: others turned away", found.wrong().total() - _bad(found), ""),
    ]


def _bad(found: Crowd) -> int:
    return found.wrong(forgiving=True).total()


def _tell(wrong: Counter[str]) -> None:
    for why, count in wrong.most_common(5):
        say(f"  {count} x {why}")


def say(text: str) -> None:
    print(text, flush=True)
