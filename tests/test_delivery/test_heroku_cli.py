"""Heroku's own command line accepts the fake, and leaves it so that ours goes on from there.

It is large (400 MB from npm), so one test does the whole round.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from delivery.promote import promote
from delivery.rollback import roll_back
from tests.browser_fixtures import refuse_or_skip
from tests.test_delivery.heroku_fake import KEY, serving
from tests.test_delivery.heroku_stage import LIVE, NEW, OLD, PAST, Stage
from tests.test_delivery.heroku_world import World, seeded
from tools.bootstrap import SetupFailed
from tools.node_packages import install
from tools.postgres_matrix import node

COMMAND_SECONDS = 120

pytestmark = pytest.mark.tools


def heroku(url: str, home: Path, program: list[str], *words: str) -> str:
    """What a command says on both of its outputs; AssertionError where it fails."""
    host = url.replace("127.0.0.1", "localhost")  # it accepts http for that name alone
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "HEROKU_HOST": host,
        "HEROKU_PARTICLEBOARD_URL": host,
        "HEROKU_API_KEY": KEY,
        "HEROKU_SKIP_NEW_VERSION_CHECK": "true",
        "DISABLE_TELEMETRY": "true",
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        [*program, *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def program() -> list[str]:
    try:
        folder = install("node_heroku")
    except SetupFailed as failure:
        refuse_or_skip(str(failure))
    return [node(), str(folder / "heroku/bin/run.js")]


def test_the_fake_is_heroku_to_herokus_command_line_and_both_tools_agree(
    program: list[str], tmp_path: Path
) -> None:
    world = World()
    seeded(world, PAST)
    with serving(world) as fake:

        def run(*words: str) -> str:
            return heroku(fake.url, tmp_path, program, *words)

        said = run("pipelines:promote", "-a", "mltrading-staging", "--to", "mltrading-green")
        assert "Promotion successful" in said
        ours = Stage(fake)
        assert ours.runs("green") == NEW
        promote(ours.delivery(), NEW)
        assert len(ours.versions("green")) == 4, "theirs was found, not repeated"

        assert "web.1: up" in run("ps", "-a", "mltrading-prod")
        assert "done, v5" in run("rollback", "v3", "-a", "mltrading-prod")
        roll_back(ours.delivery(), "production")
        assert ours.runs("production") == LIVE, "theirs was waited for, not repeated"
        roll_back(ours.delivery(), "production", "v2")
        assert ours.runs("production") == OLD

        listed = run("releases", "-a", "mltrading-prod")
        assert "Current: v6" in listed and "Promote mltrading-green v4" in listed
        assert re.search("v6 +Rollback to v2", listed)
        world.apps["mltrading-green"].config["ENVIRONMENT"] = "production"
        assert "ENVIRONMENT: production" in run("config", "-a", "mltrading-green")
        assert fake.problems == []
