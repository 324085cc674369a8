"""Three apps, their pipeline, databases and settings on Heroku, each made where it is missing."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from delivery import heroku_api
from delivery.deployer import Slot
from delivery.errors import PlatformError
from delivery.http import Client, Unsettled
from delivery.waiting import Clock, poll, say

PIPELINE = "mltrading"
DATABASE = "heroku-postgresql"
KEY = "SECRET_KEY"
DATABASE_SECONDS = 1200.0  # a standard plan takes minutes to be provisioned
METADATA = "runtime-dyno-metadata"
"""The feature that tells a dyno the name of its app and release, which it records and answers."""
COPIED = ("SLACK_WEBHOOK", "SMTP_URL", "PAGERDUTY_KEY")
"""Settings of the application that are secrets: taken from the environment where they are there."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one app should be. `plan` None: it uses production's database."""

    stage: str
    environment: str
    plan: str | None
    processes: Mapping[str, tuple[int, str]]
    preboot: bool = False


WANTED: dict[Slot, Wanted] = {
    "staging": Wanted(
        "staging",
        "staging",
        f"{DATABASE}:essential-0",
        {"web": (1, "basic"), "worker": (1, "basic")},
    ),
    "production": Wanted(
        "production",
        "production",
        f"{DATABASE}:standard-0",
        {"web": (2, "standard-1x"), "worker": (1, "standard-1x")},
        preboot=True,
    ),
    # A second worker on production's database would do its jobs and send its messages twice.
    "green": Wanted(
        "production", "production", None, {"web": (1, "basic"), "worker": (0, "basic")}
    ),
}


@dataclass(slots=True)
class Setup:
    api: Client
    apps: Mapping[Slot, str]
    environment: Mapping[str, str]
    check_only: bool = False
    clock: Clock = field(default_factory=Clock)
    tell: Callable[[str], None] = say
    missing: list[str] = field(default_factory=list)

    def run(self) -> None:
        """What is missing stands in `missing` after, where only to be checked."""
        for slot in WANTED:
            self._app(self.apps[slot])
        pipeline = self._pipeline()
        for slot, wanted in WANTED.items():
            name = self.apps[slot]
            if not self._there(f"/apps/{name}"):
                continue  # to be checked only, and said to be missing
            self._coupling(name, wanted.stage, pipeline)
            if wanted.plan:
                self._database(name, wanted.plan)
            else:
                self._attached(name, self.apps["production"])
            self._config(name, wanted)
            self._key(name, None if wanted.plan else self.apps["production"])
            self._feature(name, METADATA)
            self._processes(name, wanted)

    def _need(self, what: str, there: Callable[[], bool], make: Callable[[], object]) -> None:
        """Make what is not there; after a silence look whether it was made."""
        if there():
            self.tell(f"{what}: as it should be")
            return
        if self.check_only:
            self.tell(f"{what}: missing")
            self.missing.append(what)
            return
        self.tell(f"{what}: making it")
        try:
            make()
        except Unsettled as silence:
            self.tell(f"{silence}; looking")
            if not there():
                raise

    def _there(self, path: str) -> bool:
        try:
            self.api.get(path)
        except PlatformError as error:
            if error.status == 404:
                return False
            raise
        return True

    def _app(self, name: str) -> None:
        self._need(
            f"app {name}",
            lambda: self._there(f"/apps/{name}"),
            lambda: self.api.post("/apps", {"name": name}),
        )

    def _pipeline(self) -> str | None:
        self._need(
            f"pipeline {PIPELINE}",
            lambda: self._there(f"/pipelines/{PIPELINE}"),
            lambda: self.api.post("/pipelines", {"name": PIPELINE}),
        )
        if self.check_only and self.missing and not self._there(f"/pipelines/{PIPELINE}"):
            return None
        body = self.api.get(f"/pipelines/{PIPELINE}").body
        with heroku_api.reading("the pipeline"):
            return heroku_api.text(body, "id")

    def _coupling(self, name: str, stage: str, pipeline: str | None) -> None:
        def coupled() -> bool:
            body = self._body(f"/apps/{name}/pipeline-couplings")
            if body is None:
                return False
            with heroku_api.reading("a coupling"):
                if body["pipeline"]["id"] != pipeline or body["stage"] != stage:
                    raise PlatformError(
                        f"Heroku: {name} is in another pipeline or stage ({body['stage']}); take it"
                        f" out first: `heroku pipelines:remove -a {name}`"
                    )
            return True

        request = {"app": name, "pipeline": pipeline, "stage": stage}
        what = f"{name} in stage {stage} of the pipeline"
        self._need(what, coupled, lambda: self.api.post("/pipeline-couplings", request))

    def _body(self, path: str) -> Any:
        """None where there is no such thing."""
        try:
            return self.api.get(path).body
        except PlatformError as error:
            if error.status == 404:
                return None
            raise

    def _databases(self, name: str) -> list[str]:
        """The ids of an app's own databases."""
        with heroku_api.reading("an add-on"):
            return [
                heroku_api.text(one, "id")
                for one in heroku_api.everything(self.api, f"/apps/{name}/addons")
                if one["addon_service"]["name"] == DATABASE
            ]

    def _database(self, name: str, plan: str) -> None:
        request = {"plan": plan, "attachment": {"name": "DATABASE"}}
        self._need(
            f"database of {name} ({plan})",
            lambda: bool(self._databases(name)),
            lambda: self.api.post(f"/apps/{name}/addons", request),
        )

    def _attached(self, name: str, owner: str) -> None:
        """`name` uses the database of `owner`."""
        databases = self._databases(owner) if self._there(f"/apps/{owner}") else []

        def attached() -> bool:
            found = heroku_api.everything(self.api, f"/apps/{name}/addon-attachments")
            with heroku_api.reading("an attachment"):
                named = [one["addon"]["id"] for one in found if one["name"] == "DATABASE"]
            return bool(databases) and named == databases[:1]

        def attach() -> None:
            self._provisioned(databases[0])
            request = {"addon": databases[0], "app": name, "name": "DATABASE"}
            self.api.post("/addon-attachments", request)

        self._need(f"database of {owner} as that of {name}", attached, attach)

    def _provisioned(self, add_on: str) -> None:
        def done() -> bool | None:
            body = self.api.get(f"/addons/{add_on}").body
            with heroku_api.reading("an add-on"):
                return True if heroku_api.text(body, "state") == "provisioned" else None

        poll(done, "Heroku makes the database; run again later", DATABASE_SECONDS, self.clock, 10)

    def _config(self, name: str, wanted: Wanted) -> None:
        settings = {"ENVIRONMENT": wanted.environment}
        settings |= {one: self.environment[one] for one in COPIED if self.environment.get(one)}
        path = f"/apps/{name}/config-vars"

        def set_already() -> bool:
            body = self.api.get(path).body
            with heroku_api.reading("settings"):
                return all(body.get(one) == value for one, value in settings.items())

        what = f"settings of {name} ({', '.join(settings)})"
        self._need(what, set_already, lambda: self.api.patch(path, settings, repeat=True))

    def _key(self, name: str, owner: str | None) -> None:
        """A random SECRET_KEY, made once and never shown; where sessions are in the database of
        `owner`, that of `owner`, or a second factor sealed there could not be opened here."""
        there = (self._body(f"/apps/{owner}/config-vars") or {}) if owner else {}
        shared = there.get(KEY)
        key = shared or secrets.token_hex(32)
        path = f"/apps/{name}/config-vars"

        def set_already() -> bool:
            held = self.api.get(path).body.get(KEY)
            return bool(held) and held == shared if owner else bool(held)

        what = f"{KEY} of {name}{f', that of {owner}' if owner else ''}"
        make = {KEY: key}
        self._need(what, set_already, lambda: self.api.patch(path, make, repeat=True))

    def _processes(self, name: str, wanted: Wanted) -> None:
        formation = heroku_api.everything(self.api, f"/apps/{name}/formation")
        with heroku_api.reading("a formation"):
            known = {one["type"]: (int(one["quantity"]), one["size"].lower()) for one in formation}
        right = {kind: one for kind, one in wanted.processes.items() if kind in known}
        if not right:
            self.tell(f"processes of {name}: no code there yet; run this again after a deployment")
            return
        updates = [
            {"type": kind, "quantity": quantity, "dyno_size": {"name": size}}
            for kind, (quantity, size) in right.items()
        ]
        self._need(
            f"processes of {name} ({', '.join(f'{kind}={one[0]}' for kind, one in right.items())})",
            lambda: all(known[kind] == one for kind, one in right.items()),
            lambda: self.api.patch(f"/apps/{name}/formation", {"updates": updates}, repeat=True),
        )
        if wanted.preboot:
            self._feature(name, "preboot")

    def _feature(self, name: str, feature: str) -> None:
        path = f"/apps/{name}/features/{feature}"

        def on() -> bool:
            body = self.api.get(path).body
            with heroku_api.reading(f"the feature {feature}"):
                return bool(body["enabled"])

        make = {"enabled": True}
        self._need(f"{feature} of {name}", on, lambda: self.api.patch(path, make, repeat=True))
