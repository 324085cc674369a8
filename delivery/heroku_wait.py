"""Wait until Heroku has done what it was asked: promoted, released, built, processes up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from delivery import heroku_api
from delivery.errors import PlatformError
from delivery.heroku_api import Build, Dyno, Row
from delivery.http import Client
from delivery.waiting import Clock, poll

Value = TypeVar("Value")
LOOK_SECONDS = 20.0  # after a silence: how long a release may take to show up
PROMOTION_SECONDS = 600.0
RELEASE_SECONDS = 900.0  # the release phase migrates the database
BUILD_SECONDS = 900.0
UP_SECONDS = 240.0  # Heroku gives a process 60 s to bind its port, and tries again
NOT_SERVING = frozenset({"run", "release", "scheduler"})


@dataclass(frozen=True, slots=True)
class Waiting:
    api: Client
    clock: Clock
    tell: Callable[[str], None]

    def promoted(self, app: str, promotion: str) -> str | None:
        """The release a promotion made; None where it does not say which."""

        def done() -> list[object] | None:
            body = self.api.get(f"/pipeline-promotions/{promotion}/promotion-targets").body
            with heroku_api.reading("the targets of a promotion"):
                targets: list[object] = heroku_api.items(body)
                waiting = [one for one in body if heroku_api.text(one, "status") == "pending"]
                return targets if targets and not waiting else None

        target = poll(done, f"the promotion to {app}", PROMOTION_SECONDS, self.clock)[0]
        with heroku_api.reading("the target of a promotion"):
            assert isinstance(target, dict)
            if target["status"] != "succeeded":
                why = target.get("error_message") or "without a reason"
                raise PlatformError(f"the promotion to {app} failed: {why}; see {_page(app)}")
            release = target.get("release")
            return None if release is None else heroku_api.text(release, "id")

    def shown(self, look: Callable[[], Value | None]) -> Value | None:
        """What `look` finds, given a little time to show up."""
        deadline = self.clock.monotonic() + LOOK_SECONDS
        while (found := look()) is None and self.clock.monotonic() < deadline:
            self.clock.sleep(2)
        return found

    def settled(self, app: str, release: str) -> Row:
        """The release when its release phase is over; PlatformError when that failed."""

        def done() -> Row | None:
            row = heroku_api.row(self.api.get(f"/apps/{app}/releases/{release}").body)
            return None if row.status == "pending" else row

        what = f"the release phase of {app}; `heroku releases:output -a {app}` shows it"
        row = poll(done, what, RELEASE_SECONDS, self.clock)
        if row.status != "succeeded":
            raise PlatformError(
                f"{app}: the release phase of v{row.version} {row.status}, the release before it"
                f" stays; `heroku releases:output v{row.version} -a {app}` shows why"
            )
        return row

    def up(self, app: str, row: Row) -> None:
        """Until as many processes of each type are up on the release as the app should run."""
        wanted = self._formation(app)
        if not wanted.get("web"):
            raise PlatformError(f"{app} runs no web process; `heroku ps:scale web=1 -a {app}`")

        def done() -> bool | None:
            dynos = [one for one in self._dynos(app) if one.release == row.id]
            crashed = [one.name for one in dynos if one.state == "crashed"]
            if crashed:
                raise PlatformError(
                    f"{app}: {', '.join(crashed)} crashed on v{row.version};"
                    f" `heroku logs -a {app}` shows why"
                )
            alive = [one.type for one in dynos if one.state in ("up", "idle")]
            return all(alive.count(kind) >= count for kind, count in wanted.items()) or None

        what = f"the processes of {app} v{row.version}; `heroku ps -a {app}` shows them"
        poll(done, what, UP_SECONDS, self.clock)

    def built(self, app: str, build: Build) -> str:
        """The release a build made; PlatformError when the build failed."""

        def done() -> Build | None:
            now = heroku_api.build(self.api.get(f"/apps/{app}/builds/{build.id}").body)
            return None if now.is_under_way else now

        now = poll(done, f"the build {build.id} of {app}", BUILD_SECONDS, self.clock, pause=5)
        if now.release is None:
            raise PlatformError(f"{app}: the build {now.status}; see {_page(app)}/builds/{now.id}")
        return now.release

    def _formation(self, app: str) -> dict[str, int]:
        found: dict[str, int] = {}
        for one in heroku_api.everything(self.api, f"/apps/{app}/formation"):
            with heroku_api.reading("a formation"):
                found[heroku_api.text(one, "type")] = int(one["quantity"])
        return {kind: count for kind, count in found.items() if kind not in NOT_SERVING}

    def _dynos(self, app: str) -> list[Dyno]:
        found = heroku_api.everything(self.api, f"/apps/{app}/dynos")
        return [heroku_api.dyno(one) for one in found]


def _page(app: str) -> str:
    return f"https://dashboard.heroku.com/apps/{app}/activity"
