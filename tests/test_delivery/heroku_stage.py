"""A delivery on the fake of Heroku, with a clock that only counts, and its crashes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import urllib3

from delivery.deployer import Release, Slot
from delivery.errors import SmokeFailed
from delivery.heroku import Heroku
from delivery.heroku_api import connect
from delivery.http import Answer, Body, Client
from delivery.platforms import Delivery, Patience, heroku_apps
from delivery.waiting import Clock
from tests.test_delivery.heroku_fake import KEY, Fake, serving
from tests.test_delivery.heroku_world import World, seeded

OLD, LIVE, NEW = "1" * 40, "2" * 40, "a" * 40
PAST = {
    "mltrading-staging": [OLD, LIVE, NEW],
    "mltrading-green": [OLD, LIVE],
    "mltrading-prod": [OLD, LIVE],
}


@dataclass
class Time:
    """Seconds that pass only by sleeping."""

    now: float = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def clock(self) -> Clock:
        return Clock(lambda: self.now, self.sleep)


class Crash(BaseException):
    """The machine that delivers is gone: nothing catches this."""


@dataclass(slots=True)
class CrashingClient(Client):
    """Gone after its `crash_after`th request was carried out; no request gets out after that."""

    crash_after: int = 10**9
    sent: int = 0

    def request(
        self,
        method: str,
        path: str,
        body: Body = None,
        *,
        repeat: bool | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        if self.sent >= self.crash_after:
            raise Crash
        answer = Client.request(self, method, path, body, repeat=repeat, headers=headers)
        self.sent += 1
        if self.sent >= self.crash_after:
            raise Crash
        return answer


@dataclass
class Stage:
    fake: Fake
    time: Time = field(default_factory=Time)
    pages: list[tuple[str, str, str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    @property
    def world(self) -> World:
        return self.fake.world

    def delivery(self, crash_after: int = 10**9) -> Delivery:
        """A new process that delivers; it knows nothing of those before."""
        api = connect({"HEROKU_API_KEY": KEY, "HEROKU_API_URL": self.fake.url}, self.time.clock())
        client = CrashingClient(
            api.base_url,
            api.headers,
            api.service,
            api.advice,
            timeout_seconds=5,
            sleep=self.time.sleep,
            tell=self.lines.append,
            crash_after=crash_after,
        )
        heroku = Heroku(client, heroku_apps({}), self.time.clock(), self.lines.append)
        return Delivery(heroku, self._checker(heroku), self._page, self._over, self.lines.append)

    def runs(self, slot: Slot) -> str | None:
        """The commit whose release is current there."""
        slug = self.world.apps[heroku_apps({})[slot]].current.slug
        return slug.commit if slug else None

    def versions(self, slot: Slot) -> list[str]:
        """Every release ever asked for, as `description status`."""
        past = self.world.apps[heroku_apps({})[slot]].releases
        return [f"v{one.version} {one.description} {one.status}" for one in past]

    def _page(self, severity: str, title: str, text: str) -> None:
        self.pages.append((severity, title, text))

    def _over(self, title: str, text: str) -> None:
        self.pages.append(("over", title, text))

    def _checker(self, heroku: Heroku):  # type: ignore[no-untyped-def]
        def check(slot: Slot, release: Release, patience: Patience) -> None:
            """The commit answers and is healthy, so many times in a row, within the wait."""
            host = heroku.url(slot).removeprefix("https://")
            until, good = self.time.now + patience.wait_seconds, 0
            while good < patience.consecutive:
                commit, healthy = _ask(self.fake.url, host)
                if commit == release.commit and not healthy:
                    raise SmokeFailed(f"{host} is not healthy")
                good = good + 1 if commit == release.commit and healthy else 0
                if self.time.now >= until:
                    raise SmokeFailed(f"{host} answers as {commit}, not {release.commit}")
                self.time.sleep(3)

        return check


def _ask(url: str, host: str) -> tuple[str | None, bool]:
    def get(path: str) -> urllib3.BaseHTTPResponse:
        return urllib3.request("GET", url + path, headers={"host": host}, retries=False)

    live = get("/health/live")
    commit = json.loads(live.data)["commit"] if live.status == 200 else None
    return commit, get("/health").status == 200


@contextmanager
def stage(past: dict[str, list[str]] | None = None) -> Iterator[Stage]:
    """The three apps with their past; what the API description does not allow fails the test."""
    time = Time()
    world = World(now=lambda: time.now)
    seeded(world, PAST if past is None else past)
    with serving(world) as fake:
        yield Stage(fake, time)
        assert fake.problems == []
