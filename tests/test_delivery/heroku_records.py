"""The fake's things in the shape of Heroku's records; `heroku_schema` judges each of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.test_delivery.heroku_world import AddOn, App, Build, Promotion, Release, Slug, World

USER = {"id": "9a1b1cd6-1c5e-5b6d-8f0e-0d0c0b0a0908", "email": "deploy@company.com"}
STACK = {"id": "5f1b1cd6-1c5e-5b6d-8f0e-0d0c0b0a0908", "name": "heroku-24"}
REGION = {"id": "3f1b1cd6-1c5e-5b6d-8f0e-0d0c0b0a0908", "name": "us"}
SERVICE = {"id": "2f1b1cd6-1c5e-5b6d-8f0e-0d0c0b0a0908", "name": "heroku-postgresql"}
PLAN_ID = "1f1b1cd6-1c5e-5b6d-8f0e-0d0c0b0a0908"

Record = dict[str, Any]


def written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def short(app: App) -> Record:
    return {"id": app.id, "name": app.name}


def app(one: App) -> Record:
    created = written(one.created_at)
    return {
        "acm": False,
        "archived_at": None,
        "buildpack_provided_description": "Python",
        "build_stack": STACK,
        "created_at": created,
        "git_url": f"https://git.heroku.com/{one.name}.git",
        "generation": {"id": STACK["id"], "name": "cedar"},
        "id": one.id,
        "internal_routing": None,
        "maintenance": False,
        "name": one.name,
        "owner": USER,
        "organization": None,
        "team": None,
        "region": REGION,
        "released_at": created,
        "repo_size": None,
        "slug_size": 90_000_000,
        "space": None,
        "stack": STACK,
        "updated_at": created,
        "web_url": f"https://{one.host}/",
    }


def team_app(one: App) -> Record:
    other = ("acm", "generation", "organization")
    return {name: value for name, value in app(one).items() if name not in other}


def release(app: App, one: Release) -> Record:
    created = written(one.created_at)
    return {
        "addon_plan_names": ["heroku-postgresql:essential-0"],
        "artifacts": [{"type": "slug", "id": one.slug.id}] if one.slug else [],
        "app": short(app),
        "created_at": created,
        "description": one.description,
        "id": one.id,
        "updated_at": created,
        "slug": {"id": one.slug.id} if one.slug else None,
        "status": one.status,
        "user": USER,
        "version": one.version,
        "current": one is app.current,
        "output_stream_url": None,
        "eligible_for_rollback": one.status == "succeeded" and one.slug is not None,
    }


def slug(one: Slug, moment: datetime) -> Record:
    created = written(moment)
    return {
        "blob": {"method": "GET", "url": f"https://store.heroku.example/{one.id}.tgz"},
        "buildpack_provided_description": "Python",
        "checksum": None,
        "commit": one.commit,
        "commit_description": None,
        "created_at": created,
        "id": one.id,
        "process_types": {"web": "gunicorn mltrading.wsgi:server"},
        "size": 90_000_000,
        "stack": STACK,
        "updated_at": created,
        "deleted_at": None,
    }


def dynos(world: World, app: App) -> list[Record]:
    current = app.current
    if current.slug is None:
        return []
    current.dyno_looks += 1
    created = written(current.created_at)
    return [
        {
            "attach_url": None,
            "command": f"run {kind}",
            "created_at": created,
            "id": world.id(),
            "name": f"{kind}.{number}",
            "release": {"id": current.id, "version": current.version},
            "app": short(app),
            "size": size,
            "state": world.dyno_state(app, current),
            "type": kind,
            "updated_at": created,
        }
        for kind, (quantity, size) in app.formation.items()
        for number in range(1, quantity + 1)
    ]


def formation(world: World, app: App) -> list[Record]:
    created = written(app.created_at)
    return [
        {
            "app": short(app),
            "command": f"run {kind}",
            "created_at": created,
            "dyno_size": {"id": STACK["id"], "name": size},
            "id": world.id(),
            "quantity": quantity,
            "size": size,
            "type": kind,
            "updated_at": created,
        }
        for kind, (quantity, size) in app.formation.items()
    ]


def feature(app: App, name: str) -> Record:
    created = written(app.created_at)
    return {
        "created_at": created,
        "description": "Provide seamless web dyno deploys",
        "doc_url": "https://devcenter.heroku.com/articles/preboot",
        "enabled": app.features[name],
        "id": STACK["id"],
        "name": name,
        "state": "general",
        "updated_at": created,
        "display_name": name,
        "feedback_email": "feedback@heroku.com",
    }


def pipeline(world: World, identity: str) -> Record:
    created = written(world.moment())
    return {
        "created_at": created,
        "id": identity,
        "name": world.pipelines[identity],
        "owner": {"id": USER["id"], "type": "user"},
        "updated_at": created,
        "generation": {"id": STACK["id"], "name": "cedar"},
    }


def coupling(world: World, app: App) -> Record:
    identity, pipeline_id, stage = world.couplings[app.name]
    created = written(app.created_at)
    return {
        "app": {"id": app.id},
        "created_at": created,
        "id": identity,
        "pipeline": {"id": pipeline_id},
        "stage": stage,
        "updated_at": created,
    }


def promotion(one: Promotion, moment: datetime) -> Record:
    return {
        "created_at": written(moment),
        "id": one.id,
        "pipeline": {"id": one.pipeline},
        "source": {"app": {"id": one.source.id}, "release": {"id": one.release.id}},
        "status": "pending" if one.looks < 2 else "completed",
        "updated_at": None,
    }


def targets(world: World, one: Promotion) -> list[Record]:
    one.looks += 1
    found = []
    for app, made in one.made:
        world.look(app, made)
        failed = made.status == "failed" and world.promotion_says_failed
        status = "pending" if one.looks < 2 else "failed" if failed else "succeeded"
        found.append(
            {
                "app": {"id": app.id},
                "error_message": "Release command failed" if status == "failed" else None,
                "id": one.id,
                "pipeline_promotion": {"id": one.id},
                "release": {"id": made.id},
                "status": status,
            }
        )
    return found


def source(url: str, name: str) -> Record:
    address = f"{url}/store/{name}?signature=s"
    return {"source_blob": {"get_url": address, "put_url": address}}


def build(app: App, one: Build) -> Record:
    created = written(one.created_at)
    return {
        "app": {"id": app.id},
        "buildpacks": [{"url": "https://github.com/heroku/heroku-buildpack-python"}],
        "created_at": created,
        "generation": "cedar",
        "id": one.id,
        "output_stream_url": f"https://build-output.heroku.example/{one.id}",
        "source_blob": one.source,
        "release": {"id": one.release.id} if one.release else None,
        "slug": {"id": one.slug.id} if one.slug else None,
        "stack": "heroku-24",
        "status": one.status,
        "updated_at": created,
        "user": USER,
    }


def add_on(world: World, one: AddOn) -> Record:
    created = written(one.app.created_at)
    return {
        "actions": [],
        "addon_service": SERVICE,
        "billing_entity": {"id": one.app.id, "name": one.app.name, "type": "app"},
        "app": short(one.app),
        "billed_price": None,
        "config_vars": one.attached[one.app.name],
        "created_at": created,
        "id": one.id,
        "name": one.name,
        "plan": {"id": PLAN_ID, "name": one.plan},
        "provider_id": one.id,
        "state": "provisioning" if one.looks < world.provisioning_looks else "provisioned",
        "updated_at": created,
        "web_url": None,
    }


def attachment(one: AddOn, app: App, name: str) -> Record:
    created = written(app.created_at)
    return {
        "addon": {"id": one.id, "name": one.name, "app": short(one.app)},
        "app": short(app),
        "created_at": created,
        "id": one.id,
        "name": name,
        "namespace": None,
        "updated_at": created,
        "web_url": None,
        "log_input_url": None,
    }
