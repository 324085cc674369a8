"""Heroku's Platform API in records: what it answers is checked where it is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from delivery.errors import DeliveryError, PlatformError
from delivery.http import Client
from delivery.waiting import Clock

API_URL = "https://api.heroku.com"
KEY = "HEROKU_API_KEY"
MOST_PAGES = 20

ADVICE: dict[int | str, str] = {
    401: f"{KEY} is wrong, expired or revoked; make one with `heroku authorizations:create` and"
    f" store it as the secret {KEY}",
    402: "the account needs a payment method: https://dashboard.heroku.com/account/billing",
    403: f"the account of {KEY} may not do this; an owner can let it: `heroku access:add`",
    "two_factor": f"{KEY} is the key of a login; `heroku authorizations:create` makes one that"
    " needs no second factor",
    404: "look at HEROKU_APP_STAGING, HEROKU_APP_GREEN and HEROKU_APP_PRODUCTION;"
    " `python -m delivery setup heroku` makes what is missing",
    422: "Heroku does not accept this as things are; `python -m delivery setup heroku` shows"
    " whether the apps are as they should be",
}


def connect(environment: Mapping[str, str], clock: Clock) -> Client:
    """The API with the key of the environment; DeliveryError where there is none."""
    key = environment.get(KEY, "").strip()
    if not key:
        raise DeliveryError(
            f"{KEY} is not set; `heroku authorizations:create` makes a key"
            " (in a workflow: a secret of the environment)"
        )
    return Client(
        environment.get("HEROKU_API_URL") or API_URL,
        {
            "authorization": f"Bearer {key}",
            "accept": "application/vnd.heroku+json; version=3",
        },
        service="Heroku",
        advice=ADVICE,
        sleep=clock.sleep,
    )


@dataclass(frozen=True, slots=True)
class App:
    id: str
    name: str
    web_url: str


@dataclass(frozen=True, slots=True)
class Row:
    """One release as Heroku keeps it; `slug` is None before the first build."""

    id: str
    version: int
    status: str
    current: bool
    slug: str | None
    description: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Dyno:
    name: str
    type: str
    state: str
    release: str


@dataclass(frozen=True, slots=True)
class Build:
    id: str
    status: str
    version: str | None
    release: str | None

    @property
    def is_under_way(self) -> bool:
        """Being built, or built and its release about to be made."""
        return self.status == "pending" or (self.status == "succeeded" and self.release is None)


@contextmanager
def reading(what: str) -> Iterator[None]:
    """A reply that lacks what its schema promises is an error of the platform, in one line."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise PlatformError(
            f"Heroku: {what} came without what it should hold ({type(error).__name__}: {error});"
            " run again, and see https://status.heroku.com"
        ) from None


def text(body: Mapping[str, Any], name: str) -> str:
    value = body[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is no text")
    return value


def app(body: Any) -> App:
    with reading("an app"):
        return App(text(body, "id"), text(body, "name"), text(body, "web_url").rstrip("/"))


def row(body: Any) -> Row:
    with reading("a release"):
        slug = body.get("slug")
        return Row(
            id=text(body, "id"),
            version=int(body["version"]),
            status=text(body, "status"),
            current=bool(body["current"]),
            slug=None if slug is None else text(slug, "id"),
            description=text(body, "description"),
            created_at=moment(text(body, "created_at")),
        )


def dyno(body: Any) -> Dyno:
    with reading("a dyno"):
        name, kind, state = (text(body, part) for part in ("name", "type", "state"))
        return Dyno(name, kind, state, text(body["release"], "id"))


def build(body: Any) -> Build:
    with reading("a build"):
        release = body.get("release")
        return Build(
            text(body, "id"),
            text(body, "status"),
            body["source_blob"].get("version"),
            None if release is None else text(release, "id"),
        )


def moment(written: str) -> datetime:
    """An aware time; ValueError for one without a zone."""
    parsed = datetime.fromisoformat(written)
    if parsed.tzinfo is None:
        raise ValueError(f"the time {written!r} has no zone")
    return parsed


def rows(api: Client, app_name: str, most: int = 50) -> list[Row]:
    """The newest releases of an app, the newest first."""
    headers = {"Range": f"version ..; order=desc, max={most}"}
    body = api.get(f"/apps/{app_name}/releases", headers=headers).body
    with reading("a list of releases"):
        return sorted((row(one) for one in items(body)), key=lambda one: -one.version)


def items(body: Any) -> list[Any]:
    if not isinstance(body, list):
        raise TypeError("no list")
    return body


def everything(api: Client, path: str) -> list[Any]:
    """All pages of a list."""
    found: list[Any] = []
    headers: dict[str, str] = {}
    for _ in range(MOST_PAGES):
        answer = api.get(path, headers=headers)
        with reading(f"the list {path}"):
            found += items(answer.body)
        following = answer.headers.get("next-range")
        if answer.status != 206 or not following:
            return found
        headers = {"Range": following}
    raise PlatformError(f"Heroku: {path} is a list without end ({len(found)} so far)")
