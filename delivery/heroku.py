"""Deployer on Heroku: builds, promotions in a pipeline, rollbacks; each waited for.

Three apps in one pipeline: staging, green and production, the last two in the stage production.
A promotion copies the slug; configuration and add-ons stay the app's own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlsplit

from delivery import heroku_api
from delivery.deployer import Release, Slot
from delivery.errors import DeliveryError, PlatformError
from delivery.heroku_api import App, Build, Row
from delivery.heroku_wait import Waiting
from delivery.http import Client, Unsettled
from delivery.waiting import Clock, say

APPS: dict[Slot, str] = {
    "staging": "mltrading-staging",
    "green": "mltrading-green",
    "production": "mltrading-prod",
}
Value = TypeVar("Value")
COMMITS_READ = 15  # slugs whose commit is looked up; older releases are known by their number
UPLOAD_SECONDS = 120.0


@dataclass(slots=True)
class Heroku:
    """`apps` names the app of each slot."""

    api: Client
    apps: Mapping[Slot, str]
    clock: Clock = field(default_factory=Clock)
    tell: Callable[[str], None] = say
    _known: dict[str, App] = field(default_factory=dict, init=False)
    _commits: dict[str, str | None] = field(default_factory=dict, init=False)

    def releases(self, slot: Slot) -> list[Release]:
        """Of the newest 50, those that had code and came through their release phase."""
        name = self.apps[slot]
        done = [one for one in heroku_api.rows(self.api, name) if one.status == "succeeded"]
        done.sort(key=lambda one: not one.current)
        slugs = list(dict.fromkeys(one.slug for one in done if one.slug))[:COMMITS_READ]
        for slug in slugs:
            self._commit(name, slug)
        return [_release(one, self._commits.get(one.slug)) for one in done if one.slug]

    def url(self, slot: Slot) -> str:
        return self._app(slot).web_url

    def promote(self, source: Slot, target: Slot, release: Release) -> Release:
        name = self.apps[target]
        rows = heroku_api.rows(self.api, name)
        found = _running(rows, release.artefact) or _under_way(name, rows, release.artefact)
        if found is None:
            self.tell(f"{name}: promoting {release.label} of {self.apps[source]}")
            return self._ready(name, self._promote(source, target, release, _newest(rows)))
        self.tell(f"{name}: v{found.version} is that release already")
        return self._ready(name, found.id)

    def roll_back(self, slot: Slot, release: Release) -> Release:
        """Without preboot meanwhile: the code that is left must not answer three minutes more."""
        name = self.apps[slot]
        rows = heroku_api.rows(self.api, name)
        current = next((one for one in rows if one.current), None)
        wanted = f"Rollback to {release.label}"
        pending = rows[0] if rows and rows[0].status == "pending" else None
        for one in (current, pending):
            if one is not None and (one.id == release.id or one.description == wanted):
                self.tell(f"{name}: v{one.version} is {release.label} already")
                return self._ready(name, one.id)
        preboot = self._preboot_off(name)
        try:
            self.tell(f"{name}: going back to {release.label}")
            return self._ready(name, self._return_to(name, release, _newest(rows)))
        finally:
            if preboot:
                self._preboot_on(name)

    def build(self, commit: str, archive: bytes) -> Release:
        name = self.apps["staging"]
        there = self._of_commit(name, commit)
        if there is not None:
            self.tell(f"{name}: v{there.version} is {commit[:12]} already")
            return self._ready(name, there.id)
        found = self._build_under_way(name, commit)
        if found is None:
            self.tell(f"{name}: building {commit[:12]} ({len(archive) / 1e6:.1f} MB)")
            found = self._build(name, commit, archive)
        else:
            self.tell(f"{name}: {commit[:12]} is being built already")
        return self._ready(name, self._wait.built(name, found))

    def _promote(self, source: Slot, target: Slot, release: Release, newest: int) -> str:
        name = self.apps[target]
        coupling = self.api.get(f"/apps/{self.apps[source]}/pipeline-couplings").body
        with heroku_api.reading(f"the pipeline of {self.apps[source]}"):
            pipeline = heroku_api.text(coupling["pipeline"], "id")
        request = {
            "pipeline": {"id": pipeline},
            "source": {"app": {"id": self._app(source).id}, "release": {"id": release.id}},
            "targets": [{"app": {"id": self._app(target).id}}],
        }

        def ask() -> str | None:
            body = self.api.post("/pipeline-promotions", request).body
            with heroku_api.reading("a promotion"):
                promotion = heroku_api.text(body, "id")
            return self._wait.promoted(name, promotion)

        return self._once(ask, lambda: self._made(name, newest, release.artefact))

    def _return_to(self, name: str, release: Release, newest: int) -> str:
        def ask() -> str:
            body = self.api.post(f"/apps/{name}/releases", {"release": release.id}).body
            return heroku_api.row(body).id

        return self._once(ask, lambda: self._made(name, newest, release.artefact))

    def _once(self, ask: Callable[[], Value | None], look: Callable[[], Value | None]) -> Value:
        """What was asked for, made once: after a silence look for it before asking again."""
        for _ in range(2):
            try:
                made = ask()
            except Unsettled as silence:
                self.tell(f"{silence}; looking")
                made = None
            if made is None:
                made = self._wait.shown(look)
            if made is not None:
                return made
        raise PlatformError("Heroku did not do what it was asked for twice; run again later")

    def _made(self, name: str, newest: int, slug: str) -> str | None:
        """The release of `slug` that came after release number `newest`."""
        rows = heroku_api.rows(self.api, name)
        found = (one.id for one in rows if one.version > newest and one.slug == slug)
        return next(found, None)

    def _of_commit(self, name: str, commit: str) -> Row | None:
        """The current release, or the one about to be, where it runs the commit."""
        rows = heroku_api.rows(self.api, name)
        latest = [one for one in rows if one.current] + [
            one for one in rows[:1] if one.status == "pending"
        ]
        found = (one for one in latest if one.slug and self._commit(name, one.slug) == commit)
        return next(found, None)

    def _build(self, name: str, commit: str, archive: bytes) -> Build:
        source = self.api.post(f"/apps/{name}/sources", repeat=True).body  # only an address
        with heroku_api.reading("a place for the source"):
            get_url = heroku_api.text(source["source_blob"], "get_url")
            put_url = heroku_api.text(source["source_blob"], "put_url")
        self._upload(put_url, archive)
        blob = {
            "url": get_url,
            "version": commit,
            "version_description": f"commit {commit}",
            "checksum": f"SHA256:{hashlib.sha256(archive).hexdigest()}",
        }

        def ask() -> Build:
            body = self.api.post(f"/apps/{name}/builds", {"source_blob": blob}).body
            return heroku_api.build(body)

        return self._once(ask, lambda: self._build_under_way(name, commit))

    def _upload(self, put_url: str, archive: bytes) -> None:
        """The address is its own permission: Heroku's key does not go there."""
        address = urlsplit(put_url)
        store = Client(
            f"{address.scheme}://{address.netloc}",
            service="Heroku's store of sources",
            timeout_seconds=UPLOAD_SECONDS,
            sleep=self.clock.sleep,
        )
        store.put(put_url, archive)

    def _build_under_way(self, name: str, commit: str) -> Build | None:
        bodies = heroku_api.everything(self.api, f"/apps/{name}/builds")
        found = [heroku_api.build(one) for one in bodies]
        return next((one for one in found if one.version == commit and one.is_under_way), None)

    def _ready(self, name: str, release: str) -> Release:
        row = self._wait.settled(name, release)
        self.tell(f"{name}: v{row.version} is released, its processes start")
        self._wait.up(name, row)
        self.tell(f"{name}: v{row.version} is up")
        return _release(row, self._commit(name, row.slug) if row.slug else None)

    def _commit(self, name: str, slug: str) -> str | None:
        if slug not in self._commits:
            try:
                body = self.api.get(f"/apps/{name}/slugs/{slug}").body
                with heroku_api.reading("a slug"):
                    self._commits[slug] = body["commit"]
            except PlatformError as error:
                if error.status != 404:  # a slug that is no longer kept
                    raise
                self._commits[slug] = None
        return self._commits[slug]

    def _app(self, slot: Slot) -> App:
        name = self.apps[slot]
        if name not in self._known:
            self._known[name] = heroku_api.app(self.api.get(f"/apps/{name}").body)
        return self._known[name]

    def _preboot_off(self, name: str) -> bool:
        """Whether it was on. That Heroku refuses this must not stop a rollback: it takes longer."""
        try:
            body = self.api.get(_preboot_path(name)).body
            with heroku_api.reading("the feature preboot"):
                was_on = bool(body["enabled"])
            if was_on:
                self.api.patch(_preboot_path(name), {"enabled": False}, repeat=True)
            return was_on
        except PlatformError as error:
            self.tell(f"{error}; the rollback may take three minutes to be seen")
            return False

    def _preboot_on(self, name: str) -> None:
        try:
            self.api.patch(_preboot_path(name), {"enabled": True}, repeat=True)
        except PlatformError as error:
            self.tell(
                f"{error}; preboot stays off until `heroku features:enable preboot -a {name}`"
            )

    @property
    def _wait(self) -> Waiting:
        return Waiting(self.api, self.clock, self.tell)


def _release(row: Row, commit: str | None) -> Release:
    label = f"v{row.version}"
    return Release(row.id, label, row.slug or "", commit, row.created_at, row.description)


def _preboot_path(name: str) -> str:
    return f"/apps/{name}/features/preboot"


def _newest(rows: list[Row]) -> int:
    return rows[0].version if rows else 0


def _running(rows: list[Row], slug: str) -> Row | None:
    return next((one for one in rows if one.current and one.slug == slug), None)


def _under_way(name: str, rows: list[Row], slug: str) -> Row | None:
    """The release a run before this one asked for; another one under way is somebody else's."""
    if not rows or rows[0].status != "pending":
        return None
    if rows[0].slug != slug:
        raise DeliveryError(
            f"{name}: v{rows[0].version} ({rows[0].description}) is being released;"
            " run again when it is over"
        )
    return rows[0]
