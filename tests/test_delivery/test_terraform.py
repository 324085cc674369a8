"""Terraform: the policy is run, the thin modules of the clouds are read."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.test_delivery.programs import ROOT, tool

pytestmark = pytest.mark.tools

FOLDER = ROOT / "deploy" / "terraform"
CONDITION = re.compile(r"condition\s*=(.*?)\n\s*error_message = ", re.DOTALL)
DECIDED = {  # what only the policy says: resource type -> attributes
    "heroku_app": {"name", "region", "config_vars", "sensitive_config_vars"},
    "heroku_pipeline_coupling": {"stage"},
    "heroku_addon": {"plan"},
    "heroku_addon_attachment": {"addon_id"},
    "heroku_formation": {"quantity", "size"},
    "aws_db_parameter_group": {"region", "name", "parameter"},
    "aws_db_instance": {
        "region",
        "identifier",
        "instance_class",
        "multi_az",
        "deletion_protection",
    },
    "aws_cloudformation_stack": {"region", "name", "parameters"},
}


def terraform(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Without the settings of the machine, and without asking anybody for a newer version."""
    configuration = folder / "none.rc"
    configuration.touch()
    environment = {
        **os.environ,
        "CHECKPOINT_DISABLE": "1",
        "TF_CLI_CONFIG_FILE": str(configuration),
        "TF_IN_AUTOMATION": "1",
    }
    return subprocess.run(
        [tool("terraform"), *words, "-no-color"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="module")
def set_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The policy as `terraform init` leaves it; it needs no provider."""
    copy = Path(shutil.copytree(FOLDER / "policy", tmp_path_factory.mktemp("set-up") / "policy"))
    done = terraform(copy, "init", "-backend=false")
    assert done.returncode == 0, done.stderr
    return copy


@pytest.fixture
def policy(set_up: Path, tmp_path: Path) -> Path:
    """A copy of it for one test to change."""
    return Path(shutil.copytree(set_up, tmp_path / "policy"))


def test_everything_is_formatted_and_a_crooked_line_is_found(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(FOLDER, tmp_path / "terraform"))
    done = terraform(copy, "fmt", "-check", "-recursive")
    assert (done.returncode, done.stdout) == (0, "")
    (copy / "heroku" / "main.tf").write_text('locals {\n    a =    "b"\n}\n')
    done = terraform(copy, "fmt", "-check", "-recursive")
    assert done.returncode != 0 and "heroku/main.tf" in done.stdout


def test_the_policy_is_valid_and_an_unknown_name_is_not(policy: Path) -> None:
    assert terraform(policy, "validate").returncode == 0
    main = policy / "main.tf"
    main.write_text(main.read_text().replace("local.clouds", "local.cloud"))
    done = terraform(policy, "validate")
    assert done.returncode == 1 and '"cloud"' in done.stderr


def test_the_policy_decides_what_its_tests_say(policy: Path) -> None:
    done = terraform(policy, "test")
    assert done.returncode == 0, done.stdout + done.stderr
    cases = (policy / "policy.tftest.hcl").read_text().count("\nrun ") + 1
    assert f"{cases} passed, 0 failed" in done.stdout


def _rules() -> Iterator[Any]:
    text = (FOLDER / "policy" / "variables.tf").read_text()
    for match in CONDITION.finditer(text):
        said = re.match(r'"([^"]+)"', text[match.end() :])
        assert said
        yield pytest.param(match.span(1), id=said[1][:50].replace(" ", "-"))


@pytest.mark.parametrize("place", list(_rules()))
def test_each_refusal_has_a_test_that_would_miss_it(policy: Path, place: tuple[int, int]) -> None:
    variables = policy / "variables.tf"
    text = variables.read_text()
    name = "name" if text[: place[0]].count("\nvariable ") == 0 else "environments"
    variables.write_text(f"{text[:place[0]]} var.{name} != null{text[place[1]:]}")
    done = terraform(policy, "test")
    assert done.returncode == 1 and "Missing expected failure" in done.stdout + done.stderr


def parsed(path: Path) -> dict[str, Any]:
    done = subprocess.run(
        [tool("hcl2tojson"), str(path)], capture_output=True, text=True, check=True, timeout=60
    )
    loaded: dict[str, Any] = json.loads(done.stdout)
    return loaded


def resources(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for block in parsed(path)["resource"]:
        for kind, named in block.items():
            for body in named.values():
                yield kind.strip('"'), body


def own_decisions(path: Path) -> list[str]:
    """The attributes a module decides itself though the policy does."""
    found = []
    for kind, body in resources(path):
        for name in DECIDED.get(kind, set()):
            if "each.value." not in json.dumps(body.get(name, "")):
                found.append(f"{kind}.{name}")
        if kind in DECIDED and "module.policy." not in body["for_each"]:
            found.append(f"{kind}.for_each")
    return found


@pytest.mark.parametrize("cloud", ["heroku", "aws"])
def test_a_cloud_takes_what_it_is_told_by_the_policy(cloud: str, tmp_path: Path) -> None:
    main = FOLDER / cloud / "main.tf"
    assert own_decisions(main) == []
    (policy,) = parsed(main)["module"]
    assert policy['"policy"']["source"] == '"../policy"'
    assert {kind for kind, _ in resources(main)} & DECIDED.keys()
    planted = tmp_path / "main.tf"
    planted.write_text(re.sub(r"each\.value\.\w+_region", '"us"', main.read_text()))
    assert own_decisions(planted)


@pytest.mark.parametrize("cloud", ["heroku", "aws"])
def test_a_cloud_asks_the_policy_only_for_what_it_has(cloud: str) -> None:
    text = (FOLDER / cloud / "main.tf").read_text()
    outputs = re.findall(r'output "(\w+)"', (FOLDER / "policy" / "outputs.tf").read_text())
    assert set(re.findall(r"module\.policy\.(\w+)", text)) <= set(outputs)
    known = re.findall(r"^\s+(\w+)\s+= ", (FOLDER / "policy" / "main.tf").read_text(), re.MULTILINE)
    asked = set(re.findall(r"(?:each\.value|one)\.(\w+)", text))
    assert asked and asked <= set(known)


@pytest.mark.parametrize("cloud", ["policy", "heroku", "aws"])
def test_every_variable_is_used_and_described(cloud: str) -> None:
    folder = FOLDER / cloud
    text = "".join(path.read_text() for path in folder.glob("*.tf"))
    for block in parsed(folder / "variables.tf")["variable"]:
        for name, body in block.items():
            assert body["description"], name
            assert f"var.{name.strip(chr(34))}" in text


def test_the_apps_are_those_that_the_delivery_looks_for(policy: Path) -> None:
    from delivery.heroku import APPS

    case = (policy / "policy.tftest.hcl").read_text()
    assert json.dumps(sorted(APPS.values())) in case
