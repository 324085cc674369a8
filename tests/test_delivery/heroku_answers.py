"""What the fake of Heroku does for each address of the API."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.test_delivery import heroku_records as records
from tests.test_delivery.heroku_world import FEATURES, AddOn, App, Promotion, World


class Refused(Exception):
    """An error of the API: {id, message} with a status."""

    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(message)
        self.status, self.id = status, name


@dataclass(frozen=True)
class Answered:
    body: Any
    status: int | None = None  # None: as the description says
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    world: World
    url: str
    parts: tuple[str, ...]  # of the path, those between the fixed words
    headers: dict[str, str]
    body: Any

    @property
    def app(self) -> App:
        return known_app(self.world, self.parts[0])


Handler = Callable[[Asked], Any]
ROUTES: list[tuple[str, re.Pattern[str], Handler]] = []


def route(method: str, path: str) -> Callable[[Handler], Handler]:
    def keep(handler: Handler) -> Handler:
        pattern = re.compile(re.sub(r"\{\}", "([^/?]+)", path) + r"(?:\?.*)?$")
        ROUTES.append((method, pattern, handler))
        return handler

    return keep


def answer(
    world: World, url: str, method: str, path: str, headers: dict[str, str], body: Any
) -> Answered:
    for verb, pattern, handler in ROUTES:
        match = pattern.match(path)
        if verb == method and match:
            done = handler(Asked(world, url, match.groups(), headers, body))
            return done if isinstance(done, Answered) else Answered(done)
    raise Refused(404, "not_found", "The requested API endpoint was not found.")


def known_app(world: World, identity: str) -> App:
    app = world.app(identity)
    if app is None:
        raise Refused(404, "not_found", "Couldn't find that app.")
    return app


def _release(app: App, identity: str) -> Any:
    for one in app.releases:
        if identity in (one.id, str(one.version), f"v{one.version}"):
            return one
    raise Refused(404, "not_found", "Couldn't find that release.")


@route("GET", "/account")
def _account(asked: Asked) -> Any:
    return {"id": records.USER["id"], "email": records.USER["email"], "verified": True}


@route("GET", "/apps/{}")
def _app(asked: Asked) -> Any:
    return records.app(asked.app)


@route("POST", "/apps")
def _create_app(asked: Asked) -> Any:
    if asked.world.app(asked.body["name"]):
        raise Refused(422, "invalid_params", "Name is already taken")
    return records.app(asked.world.add_app(asked.body["name"]))


@route("POST", "/filters/apps")
def _filter_apps(asked: Asked) -> Any:
    wanted = asked.body["in"]["id"]
    return [records.team_app(one) for one in asked.world.apps.values() if one.id in wanted]


@route("GET", "/apps/{}/releases")
def _releases(asked: Asked) -> Answered:
    """Sorted and cut as the header Range asks; the oldest first where it does not."""
    found = sorted(asked.app.releases, key=lambda one: one.version)
    wanted = asked.headers.get("range", "")
    if "order=desc" in wanted:
        found.reverse()
    most = re.search(r"max=(\d+)", wanted)
    cut = found[: int(most.group(1))] if most else found
    headers = {"next-range": "version ]x..; order=desc"} if len(cut) < len(found) else {}
    body = [records.release(asked.app, one) for one in cut]
    return Answered(body, 206 if headers else 200, headers)


@route("GET", "/apps/{}/releases/{}")
def _one_release(asked: Asked) -> Any:
    found = _release(asked.app, asked.parts[1])
    asked.world.look(asked.app, found)
    return records.release(asked.app, found)


@route("POST", "/apps/{}/releases")
def _new_release(asked: Asked) -> Any:
    if "release" not in asked.body:
        raise Refused(422, "invalid_params", "a slug is released by a promotion here")
    old = _release(asked.app, asked.body["release"])
    if old.slug is None or old.status != "succeeded":
        raise Refused(422, "invalid_params", "That release is not eligible for rollback.")
    made = asked.world.release(asked.app, old.slug, f"Rollback to v{old.version}")
    return records.release(asked.app, made)


@route("GET", "/apps/{}/slugs/{}")
def _slug(asked: Asked) -> Any:
    for one in asked.app.releases:
        if one.slug and one.slug.id == asked.parts[1]:
            return records.slug(one.slug, one.created_at)
    raise Refused(404, "not_found", "Couldn't find that slug.")


@route("GET", "/apps/{}/dynos")
def _dynos(asked: Asked) -> Any:
    return records.dynos(asked.world, asked.app)


@route("GET", "/apps/{}/formation")
def _formation(asked: Asked) -> Any:
    return records.formation(asked.world, asked.app)


@route("PATCH", "/apps/{}/formation")
def _scale(asked: Asked) -> Any:
    for update in asked.body["updates"]:
        quantity, size = asked.app.formation.get(update["type"], (0, "Basic"))
        size = update.get("dyno_size", {}).get("name", size)
        asked.app.formation[update["type"]] = (update.get("quantity", quantity), size)
    return records.formation(asked.world, asked.app)


@route("GET", "/apps/{}/features")
def _features(asked: Asked) -> Any:
    return [records.feature(asked.app, name) for name in FEATURES]


@route("GET", "/apps/{}/features/{}")
def _feature(asked: Asked) -> Any:
    return records.feature(asked.app, asked.parts[1])


@route("PATCH", "/apps/{}/features/{}")
def _set_feature(asked: Asked) -> Any:
    if asked.parts[1] == "preboot" and asked.body["enabled"]:
        if asked.app.formation["web"][1].lower() in ("basic", "eco"):
            raise Refused(422, "invalid_params", "Preboot needs professional dynos")
    asked.app.features[asked.parts[1]] = asked.body["enabled"]
    return records.feature(asked.app, asked.parts[1])


@route("GET", "/apps/{}/config-vars")
def _config(asked: Asked) -> Any:
    return asked.app.config


@route("PATCH", "/apps/{}/config-vars")
def _set_config(asked: Asked) -> Any:
    app = asked.app
    for name, value in asked.body.items():
        if value is None:
            app.config.pop(name, None)
        else:
            app.config[name] = value
    names = ", ".join(asked.body)
    asked.world.release(app, app.current.slug, f"Set {names} config vars", at_once=True)
    return app.config


@route("GET", "/apps/{}/pipeline-couplings")
def _coupling(asked: Asked) -> Any:
    if asked.app.name not in asked.world.couplings:
        raise Refused(404, "not_found", "Couldn't find that pipeline coupling.")
    return records.coupling(asked.world, asked.app)


@route("GET", "/pipelines/{}/pipeline-couplings")
def _couplings(asked: Asked) -> Any:
    of_pipeline = [name for name, one in asked.world.couplings.items() if one[1] == asked.parts[0]]
    return [records.coupling(asked.world, asked.world.apps[name]) for name in of_pipeline]


@route("POST", "/pipeline-couplings")
def _couple(asked: Asked) -> Any:
    app = known_app(asked.world, asked.body["app"])
    if app.name in asked.world.couplings:
        raise Refused(422, "invalid_params", "app is already attached to a pipeline")
    coupling = (asked.world.id(), asked.body["pipeline"], asked.body["stage"])
    asked.world.couplings[app.name] = coupling
    return records.coupling(asked.world, app)


@route("PATCH", "/pipeline-couplings/{}")
def _move_coupling(asked: Asked) -> Any:
    for name, (identity, pipeline, _) in list(asked.world.couplings.items()):
        if identity == asked.parts[0]:
            asked.world.couplings[name] = (identity, pipeline, asked.body["stage"])
            return records.coupling(asked.world, asked.world.apps[name])
    raise Refused(404, "not_found", "Couldn't find that pipeline coupling.")


@route("GET", "/pipelines")
def _pipelines(asked: Asked) -> Any:
    return [records.pipeline(asked.world, identity) for identity in asked.world.pipelines]


@route("GET", "/pipelines/{}")
def _pipeline(asked: Asked) -> Any:
    for identity, name in asked.world.pipelines.items():
        if asked.parts[0] in (identity, name):
            return records.pipeline(asked.world, identity)
    raise Refused(404, "not_found", "Couldn't find that pipeline.")


@route("POST", "/pipelines")
def _create_pipeline(asked: Asked) -> Any:
    if asked.body["name"] in asked.world.pipelines.values():
        raise Refused(422, "invalid_params", "Name is already taken")
    identity = asked.world.id()
    asked.world.pipelines[identity] = asked.body["name"]
    return records.pipeline(asked.world, identity)


@route("POST", "/pipeline-promotions")
def _promote(asked: Asked) -> Any:
    world = asked.world
    source = known_app(world, asked.body["source"]["app"]["id"])
    wanted = asked.body["source"].get("release", {}).get("id")
    release = _release(source, wanted) if wanted else source.current
    pipeline = asked.body["pipeline"]["id"]
    made = []
    for target in asked.body["targets"]:
        app = known_app(world, target["app"]["id"])
        coupled = [world.couplings.get(one.name, ("", "", ""))[1] for one in (source, app)]
        if coupled != [pipeline, pipeline]:
            raise Refused(422, "invalid_params", "Both apps must be in the pipeline.")
        if release.slug is None:
            raise Refused(422, "invalid_params", "The source has nothing to promote.")
        text = f"Promote {source.name} v{release.version} {(release.slug.commit or '')[:8]}"
        made.append((app, world.release(app, release.slug, text)))
    promotion = Promotion(world.id(), pipeline, source, release, made)
    world.promotions[promotion.id] = promotion
    return records.promotion(promotion, world.moment())


def _promotion(asked: Asked) -> Promotion:
    if asked.parts[0] not in asked.world.promotions:
        raise Refused(404, "not_found", "Couldn't find that promotion.")
    return asked.world.promotions[asked.parts[0]]


@route("GET", "/pipeline-promotions/{}")
def _one_promotion(asked: Asked) -> Any:
    return records.promotion(_promotion(asked), asked.world.moment())


@route("GET", "/pipeline-promotions/{}/promotion-targets")
def _targets(asked: Asked) -> Any:
    return records.targets(asked.world, _promotion(asked))


@route("POST", "/apps/{}/sources")
def _source(asked: Asked) -> Any:
    name = asked.world.id()
    asked.world.uploads[name] = b""
    return records.source(asked.url, name)


@route("POST", "/apps/{}/builds")
def _create_build(asked: Asked) -> Any:
    return records.build(asked.app, asked.world.build(asked.app, asked.body["source_blob"]))


@route("GET", "/apps/{}/builds")
def _builds(asked: Asked) -> Any:
    return [records.build(asked.app, one) for one in asked.app.builds]


@route("GET", "/apps/{}/builds/{}")
def _build(asked: Asked) -> Any:
    for one in asked.app.builds:
        if one.id == asked.parts[1]:
            address = str(one.source["url"]).rsplit("/", 1)[1].split("?")[0]
            content = asked.world.uploads.get(address, b"")
            announced = f"SHA256:{hashlib.sha256(content).hexdigest()}"
            complete = bool(content) and one.source["checksum"] == announced
            asked.world.look_at_build(asked.app, one, complete)
            return records.build(asked.app, one)
    raise Refused(404, "not_found", "Couldn't find that build.")


@route("GET", "/apps/{}/addons")
def _add_ons(asked: Asked) -> Any:
    return [records.add_on(asked.world, one) for one in asked.world.add_ons if one.app is asked.app]


@route("POST", "/apps/{}/addons")
def _create_add_on(asked: Asked) -> Any:
    world, app = asked.world, asked.app
    made = AddOn(world.id(), f"postgresql-{app.name[-8:]}-{len(world.add_ons)}", "", app)
    made.plan = asked.body["plan"]
    world.add_ons.append(made)
    _attach(made, app, asked.body.get("attachment", {}).get("name", "DATABASE"))
    return records.add_on(world, made)


def _attach(add_on: AddOn, app: App, name: str) -> None:
    add_on.attached.setdefault(app.name, []).append(f"{name}_URL")
    app.config[f"{name}_URL"] = f"postgres://u:p@{add_on.name}.example/db"


@route("GET", "/addons/{}")
def _add_on(asked: Asked) -> Any:
    for one in asked.world.add_ons:
        if asked.parts[0] in (one.id, one.name):
            one.looks += 1
            return records.add_on(asked.world, one)
    raise Refused(404, "not_found", "Couldn't find that add-on.")


@route("GET", "/apps/{}/addon-attachments")
def _attachments(asked: Asked) -> Any:
    return [
        records.attachment(one, asked.app, variable.removesuffix("_URL"))
        for one in asked.world.add_ons
        for variable in one.attached.get(asked.app.name, ())
    ]


@route("POST", "/addon-attachments")
def _create_attachment(asked: Asked) -> Any:
    app = known_app(asked.world, asked.body["app"])
    for one in asked.world.add_ons:
        if asked.body["addon"] in (one.id, one.name):
            if one.looks < asked.world.provisioning_looks:
                raise Refused(422, "invalid_params", "The add-on is still being provisioned")
            name = asked.body.get("name", "DATABASE")
            if f"{name}_URL" in app.config and asked.body.get("confirm") != app.name:
                raise Refused(423, "confirmation_required", "This would replace an attachment")
            _attach(one, app, name)
            return records.attachment(one, app, name)
    raise Refused(404, "not_found", "Couldn't find that add-on.")
