"""A new account gets what the pipeline needs, by one command that can be run again."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from delivery.errors import PlatformError
from delivery.heroku_api import connect
from delivery.heroku_setup import WANTED, Setup
from delivery.platforms import heroku_apps
from tests.test_delivery.fake_server import Fault
from tests.test_delivery.heroku_fake import KEY, Fake, serving
from tests.test_delivery.heroku_stage import NEW, Time
from tests.test_delivery.heroku_world import World

ROOT = Path(__file__).parents[2]
HOOK = "https://hooks.slack.example/T0/B0/s3cret"


def setup(fake: Fake, *, check_only: bool = False, lines: list[str] | None = None) -> Setup:
    time = Time()
    api = connect({"HEROKU_API_KEY": KEY, "HEROKU_API_URL": fake.url}, time.clock())
    tell = (lines if lines is not None else []).append
    api.tell = tell
    return Setup(api, heroku_apps({}), {"SLACK_WEBHOOK": HOOK}, check_only, time.clock(), tell)


def deploy(world: World) -> None:
    """Each app has code, and with it the processes of its Procfile."""
    for app in world.apps.values():
        world.release(app, world.slug(NEW), "Deploy", at_once=True)
        app.formation = {"web": (1, "Basic"), "worker": (0, "Basic")}


def bare(world: World) -> None:
    """An app without code has no processes."""
    add = world.add_app

    def add_without_processes(name: str):  # type: ignore[no-untyped-def]
        app = add(name)
        app.formation = {}
        return app

    world.add_app = add_without_processes  # type: ignore[method-assign]


@pytest.fixture
def world() -> World:
    one = World()
    bare(one)
    return one


def test_an_empty_account_gets_apps_pipeline_databases_and_settings(world: World) -> None:
    lines: list[str] = []
    with serving(world) as fake:
        setup(fake, lines=lines).run()
        assert fake.problems == []
    stages = {name: coupling[2] for name, coupling in world.couplings.items()}
    assert stages == {
        "mltrading-staging": "staging",
        "mltrading-green": "production",
        "mltrading-prod": "production",
    }
    assert {(one.app.name, one.plan) for one in world.add_ons} == {
        ("mltrading-staging", "heroku-postgresql:essential-0"),
        ("mltrading-prod", "heroku-postgresql:standard-0"),
    }
    green, prod = world.apps["mltrading-green"], world.apps["mltrading-prod"]
    assert green.config["DATABASE_URL"] == prod.config["DATABASE_URL"]
    assert green.config["ENVIRONMENT"] == "production"
    assert world.apps["mltrading-staging"].config["ENVIRONMENT"] == "staging"
    assert prod.config["SLACK_WEBHOOK"] == HOOK
    staging = world.apps["mltrading-staging"]
    assert green.config["SECRET_KEY"] == prod.config["SECRET_KEY"] != staging.config["SECRET_KEY"]
    for app in (prod, staging):
        assert re.fullmatch("[0-9a-f]{64}", app.config["SECRET_KEY"])
        assert app.config["SECRET_KEY"] not in " ".join(lines)
    assert all(app.features["runtime-dyno-metadata"] for app in world.apps.values())
    assert "s3cret" not in " ".join(lines)
    assert any("run this again after a deployment" in line for line in lines)


def test_after_the_first_deployment_it_sizes_the_processes_and_turns_preboot_on(
    world: World,
) -> None:
    with serving(world) as fake:
        setup(fake).run()
        deploy(world)
        setup(fake).run()
        assert fake.problems == []
        fake.calls.clear()
        setup(fake).run()
        assert fake.changes() == []
    assert world.apps["mltrading-prod"].formation == {
        "web": (2, "standard-1x"),
        "worker": (1, "standard-1x"),
    }
    assert world.apps["mltrading-prod"].features["preboot"]
    assert world.apps["mltrading-green"].formation["worker"][0] == 0
    assert not world.apps["mltrading-green"].features["preboot"]


def test_a_key_that_is_there_stays_and_green_takes_production_s(world: World) -> None:
    with serving(world) as fake:
        setup(fake).run()
        kept = world.apps["mltrading-prod"].config["SECRET_KEY"] = "chosen by somebody " * 3
        checked = setup(fake, check_only=True)
        checked.run()
        assert checked.missing == ["SECRET_KEY of mltrading-green, that of mltrading-prod"]
        setup(fake).run()
        assert fake.problems == []
    for name in ("mltrading-prod", "mltrading-green"):
        assert world.apps[name].config["SECRET_KEY"] == kept


def test_to_check_changes_nothing_and_names_what_is_missing(world: World) -> None:
    with serving(world) as fake:
        checked = setup(fake, check_only=True)
        checked.run()
        assert fake.changes() == []
        assert checked.missing == [
            "app mltrading-staging",
            "app mltrading-prod",
            "app mltrading-green",
            "pipeline mltrading",
        ]
        setup(fake).run()
        again = setup(fake, check_only=True)
        again.run()
        assert again.missing == []


def test_an_app_of_another_pipeline_is_not_taken_away_from_it(world: World) -> None:
    world.add_app("mltrading-prod")
    world.couplings["mltrading-prod"] = (world.id(), "another", "production")
    with serving(world) as fake:
        with pytest.raises(PlatformError, match="mltrading-prod is in another pipeline"):
            setup(fake).run()


@pytest.mark.parametrize("fault", ["500", "429", "lost", "silent", "cut"])
def test_trouble_at_any_call_and_a_second_run_make_everything_once(fault: Fault) -> None:
    call = 0
    while True:
        call += 1
        world = World()
        bare(world)
        with serving(world) as fake:
            fake.faults[call] = fault
            try:
                setup(fake).run()
            except PlatformError:
                assert fault not in ("lost", "cut"), f"it was made: {fault} at call {call}"
                setup(fake).run()
            assert fake.problems == []
            assert len(world.apps) == len(world.couplings) == 3, f"{fault} at call {call}"
            assert (len(world.add_ons), len(world.pipelines)) == (2, 1), f"{fault} at call {call}"
            if call > len(fake.calls):
                break
    assert call > 20


def test_the_script_runs_the_same(world: World) -> None:
    world.provisioning_looks = 1
    with serving(world) as fake:
        environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "PYTHON": sys.executable,
            "HEROKU_API_KEY": KEY,
            "HEROKU_API_URL": fake.url,
        }
        done = subprocess.run(
            [ROOT / "bin" / "setup-heroku"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "app mltrading-prod: making it" in done.stdout
        assert KEY not in done.stdout
        assert fake.problems == []
    assert len(world.apps) == 3


def test_the_script_sets_up_a_fresh_clone_first(tmp_path: Path) -> None:
    script = tmp_path / "bin" / "setup-heroku"
    script.parent.mkdir()
    shutil.copy(ROOT / "bin" / "setup-heroku", script)
    make = tmp_path / "programs" / "make"
    make.parent.mkdir()
    make.write_text(
        "#!/bin/sh\nmkdir -p .venv/bin\nprintf '#!/bin/sh\\necho \"$@\"\\n' > .venv/bin/python\n"
        'chmod +x .venv/bin/python\necho "make $*"\n'
    )
    make.chmod(0o755)
    environment = {"PATH": f"{make.parent}{os.pathsep}{os.environ['PATH']}"}
    said = [
        subprocess.run([script, "--check"], env=environment, check=True, capture_output=True).stdout
        for _ in range(2)
    ]
    asked = b"-m delivery setup heroku --check\n"
    assert said == [b"make --quiet .venv/.installed-run\n" + asked, asked]
    assert "$(RUN_STAMP):" in (ROOT / "Makefile").read_text()


def test_a_review_app_has_what_staging_has_and_no_secret() -> None:
    described = json.loads((ROOT / "app.json").read_text())
    procfile = {line.split(":")[0] for line in (ROOT / "Procfile").read_text().splitlines() if line}
    staging = WANTED["staging"]
    assert [one["plan"] for one in described["addons"]] == [staging.plan]
    assert described["env"]["ENVIRONMENT"]["value"] == staging.environment
    assert set(described["formation"]) <= procfile
    assert set(staging.processes) <= procfile
    key = described["env"].pop("SECRET_KEY")
    assert key["generator"] == "secret" and "value" not in key
    assert all(one.get("value", "").isalpha() for one in described["env"].values())
