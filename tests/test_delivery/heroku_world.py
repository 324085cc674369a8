"""What the fake of Heroku keeps: apps, slugs, releases, couplings, promotions, builds, add-ons.

Things take a look or two: a release is `pending` when it is first asked for, a process `starting`,
a build `pending`. Visitors of an app with preboot see a new release `PREBOOT_SECONDS` later.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

PREBOOT_SECONDS = 180.0
START = datetime(2026, 11, 20, 9, 0, tzinfo=timezone.utc)
FEATURES = ("preboot", "runtime-dyno-metadata")


@dataclass
class Slug:
    id: str
    commit: str | None


@dataclass
class Release:
    id: str
    version: int
    description: str
    slug: Slug | None
    created_at: datetime
    status: str = "succeeded"
    looks: int = 0
    dyno_looks: int = 0
    replaced: Release | None = None
    seen_from: float = 0.0


@dataclass
class App:
    id: str
    name: str
    created_at: datetime
    releases: list[Release] = field(default_factory=list)
    config: dict[str, str] = field(default_factory=dict)
    features: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(FEATURES, False))
    formation: dict[str, tuple[int, str]] = field(default_factory=lambda: {"web": (1, "Basic")})
    builds: list[Build] = field(default_factory=list)
    bad_commits: set[str] = field(default_factory=set)
    crashing_commits: set[str] = field(default_factory=set)
    failing_release_phases: set[str] = field(default_factory=set)

    @property
    def host(self) -> str:
        return f"{self.name}-{self.id.replace('-', '')[:12]}.herokuapp.com"

    @property
    def current(self) -> Release:
        return next(one for one in reversed(self.releases) if one.status == "succeeded")


@dataclass
class Build:
    id: str
    source: dict[str, str | None]
    created_at: datetime
    status: str = "pending"
    looks: int = 0
    slug: Slug | None = None
    release: Release | None = None


@dataclass
class Promotion:
    id: str
    pipeline: str
    source: App
    release: Release
    made: list[tuple[App, Release]]
    looks: int = 0


@dataclass
class AddOn:
    id: str
    name: str
    plan: str
    app: App
    looks: int = 0
    attached: dict[str, list[str]] = field(default_factory=dict)  # app name -> config variables


@dataclass
class World:
    now: Callable[[], float] = lambda: 0.0
    apps: dict[str, App] = field(default_factory=dict)
    pipelines: dict[str, str] = field(default_factory=dict)  # id -> name
    couplings: dict[str, tuple[str, str, str]] = field(default_factory=dict)  # app name -> ...
    promotions: dict[str, Promotion] = field(default_factory=dict)
    add_ons: list[AddOn] = field(default_factory=list)
    uploads: dict[str, bytes] = field(default_factory=dict)
    promotion_says_failed: bool = True
    provisioning_looks: int = 2  # as often is a database asked for before it is there
    _count: int = 0

    def id(self) -> str:
        """A new uuid, the same in every run."""
        self._count += 1
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"heroku-fake-{self._count}"))

    def moment(self) -> datetime:
        return START + timedelta(seconds=self._count)

    def add_app(self, name: str) -> App:
        app = App(self.id(), name, self.moment())
        self.apps[name] = app
        self.release(app, None, "Initial release", at_once=True)
        return app

    def app(self, identity: str) -> App | None:
        return next((one for one in self.apps.values() if identity in (one.id, one.name)), None)

    def slug(self, commit: str | None) -> Slug:
        return Slug(self.id(), commit)

    def release(
        self, app: App, slug: Slug | None, description: str, *, at_once: bool = False
    ) -> Release:
        version = len(app.releases) + 1
        release = Release(self.id(), version, description, slug, self.moment(), "pending")
        app.releases.append(release)
        if at_once:
            self._settle(app, release)
        return release

    def look(self, app: App, release: Release) -> None:
        """Somebody asks for the release: the second time its release phase is over."""
        release.looks += 1
        if release.status == "pending" and release.looks > 1:
            self._settle(app, release)

    def _settle(self, app: App, release: Release) -> None:
        commit = release.slug.commit if release.slug else None
        if commit in app.failing_release_phases:
            release.status = "failed"
            return
        before = next((one for one in reversed(app.releases) if one.status == "succeeded"), None)
        release.status = "succeeded"
        release.replaced = before
        release.seen_from = self.now() + (PREBOOT_SECONDS if app.features["preboot"] else 0)

    def visible(self, app: App) -> Release:
        """What visitors get."""
        release = app.current
        while release.replaced is not None and self.now() < release.seen_from:
            release = release.replaced
        return release

    def dyno_state(self, app: App, release: Release) -> str:
        if release.slug and release.slug.commit in app.crashing_commits:
            return "crashed"
        return "up" if release.dyno_looks > 1 else "starting"

    def build(self, app: App, source: dict[str, str | None]) -> Build:
        build = Build(self.id(), source, self.moment())
        app.builds.append(build)
        return build

    def look_at_build(self, app: App, build: Build, complete: bool) -> None:
        """Third look: built, or failed where its source is not what was announced; fourth: there is
        its release."""
        build.looks += 1
        if build.status == "pending" and build.looks == 3:
            build.status = "succeeded" if complete else "failed"
            build.slug = self.slug(build.source["version"]) if complete else None
        elif build.slug is not None and build.release is None:
            build.release = self.release(app, build.slug, f"Deploy {build.slug.commit or ''}"[:15])


def seeded(world: World, commits: dict[str, list[str]]) -> None:
    """The three apps in a pipeline; each app's past, the same commit the same slug everywhere."""
    pipeline = world.id()
    world.pipelines[pipeline] = "mltrading"
    slugs: dict[str, Slug] = {}
    for name, stage in (
        ("mltrading-staging", "staging"),
        ("mltrading-green", "production"),
        ("mltrading-prod", "production"),
    ):
        app = world.add_app(name)
        world.couplings[name] = (world.id(), pipeline, stage)
        for commit in commits.get(name, ()):
            slug = slugs.setdefault(commit, world.slug(commit))
            world.release(app, slug, f"Deploy {commit[:8]}", at_once=True)
