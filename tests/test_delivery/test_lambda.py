"""The function: its template is valid, and what it starts is one process that answers."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.factories import SECRET_KEY
from tests.test_delivery.image import instructions
from tests.test_delivery.programs import ROOT, tool

FOLDER = ROOT / "deploy" / "lambda"
TEMPLATE = FOLDER / "template.yaml"


def lint(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def cold_start() -> ModuleType:
    spec = importlib.util.spec_from_file_location("cold_start", FOLDER / "cold_start.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclass looks for it
    spec.loader.exec_module(module)
    return module


@pytest.mark.tools
def test_the_template_is_valid_and_a_misspelt_property_is_not(tmp_path: Path) -> None:
    done = lint(tool("cfn-lint"), str(TEMPLATE))
    assert (done.returncode, done.stdout) == (0, "")
    bad = tmp_path / "template.yaml"
    bad.write_text(TEMPLATE.read_text().replace("MemorySize:", "MemorySizes:"))
    done = lint(tool("cfn-lint"), str(bad))
    assert done.returncode != 0 and "MemorySizes" in done.stdout


@pytest.mark.tools
def test_hadolint_finds_nothing_in_the_function_s_dockerfile() -> None:
    done = lint(tool("hadolint"), "--failure-threshold", "style", str(FOLDER / "Dockerfile"))
    assert done.returncode == 0, done.stdout


def test_terraform_gives_the_template_exactly_the_parameters_it_has() -> None:
    template = TEMPLATE.read_text().partition("\nConditions:")[0].partition("Parameters:")[2]
    has = set(re.findall(r"^  (\w+):$", template, re.MULTILINE))
    stack = (ROOT / "deploy/terraform/aws/main.tf").read_text().partition("parameters = {")[2]
    given = set(re.findall(r"^    (\w+)\s+= ", stack.partition("\n  }")[0], re.MULTILINE))
    assert given == has
    outputs = (ROOT / "deploy/terraform/aws/outputs.tf").read_text()
    assert set(re.findall(r'outputs\["(\w+)"\]', outputs)) == {"Url"}


def test_the_adapter_asks_the_port_and_the_address_that_the_server_has() -> None:
    image = (ROOT / "deploy/docker/Dockerfile").read_text()
    function = (FOLDER / "Dockerfile").read_text()
    port = dict(instructions(image))["EXPOSE"]
    assert f'PORT="{port}"' in function and f'AWS_LWA_PORT="{port}"' in function
    assert 'AWS_LWA_READINESS_CHECK_PATH="/health/live"' in function


def test_a_function_answers_draws_a_chart_and_fits_its_memory(
    cold_start: ModuleType, small_market_url: str, tmp_path: Path
) -> None:
    measured = cold_start.start(small_market_url, str(tmp_path), keep=True)
    assert measured.clock == sorted(measured.clock)
    assert len(measured.clock) == len(measured.processor) == len(cold_start.STEPS)
    given = re.findall(r"MemorySize: (\d+)", TEMPLATE.read_text())
    assert measured.megabytes < int(given[0])


def test_the_function_s_variables_make_gunicorn_start_one_worker(cold_start: ModuleType) -> None:
    words = [sys.executable, *cold_start.COMMAND, "--print-config"]
    variables = {**cold_start.function_variables(), "PATH": "/usr/bin", "HOME": "/tmp"}
    variables |= {"ENVIRONMENT": "production", "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/no"}
    variables |= {"SECRET_KEY": SECRET_KEY}
    done = subprocess.run(
        words, env=variables, capture_output=True, text=True, check=True, timeout=120
    )
    config = dict(re.findall(r"^(\w+)\s+= (.*)$", done.stdout, re.MULTILINE))
    assert (config["workers"], config["threads"]) == ("1", "4")
