"""Nobody imports what the house forbids. The rule is read by `architecture.py`, which is tried
here on planted violations first: a checker that finds nothing anywhere proves nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mltrading.settings import Variables
from mltrading.settings.file import allowed
from mltrading.settings.origins import keys_of
from tests.architecture import (
    MAX_FUNCTION_LINES,
    MAX_MODULE_LINES,
    delivery_violations,
    violations,
)

SOURCES = Path(__file__).parents[1] / "src"
MODULES = sorted((SOURCES / "mltrading").rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCES).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.smoke
@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_module_keeps_the_rules(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    found = violations(module_name(path), source, is_package=path.name == "__init__.py")
    assert not found, "\n".join(found)


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("utils.clock", "import numpy"),
        ("utils.clock", "from mltrading.domain import bars"),
        ("errors", "import mltrading.utils.text"),
        ("domain.bars", "from mltrading.services import ports"),
        ("domain.bars", "import psycopg2.extras"),
        ("domain.bars", "import socket"),
        ("domain.bars", "from urllib import request"),
        ("learning.models", "from mltrading.services.market import Market"),
        ("services.market", "from mltrading.adapters import postgres"),
        ("services.market", "from dash import html"),
        ("services.market", "def late():\n    import flask"),
        ("services.market", "if TYPE_CHECKING:\n    from ..adapters.postgres import pool"),
        ("services.market", "from .. import dashboard"),
        ("services.market", "importlib.import_module('mltrading.adapters')"),
        ("services.market", "import_module(name)"),
        ("services.market", "cursor.execute('SELECT 1')"),
        ("services.market", "from mltrading.settings import Settings"),
        ("adapters.postgres.pool", "from mltrading.services.market import Market"),
        ("adapters.postgres.pool", "from mltrading.services import market"),
        ("adapters.postgres.pool", "import flask"),
        ("adapters.postgres.pool", "from mltrading.app import create"),
        ("dashboard.figures.candles", "import plotly.graph_objects as go"),
        ("dashboard.figures.candles", "from plotly import graph_objects"),
        ("dashboard.figures.candles", "import plotly.express"),
        ("dashboard.pages.charts", "from mltrading.adapters.postgres import reader"),
        ("dashboard.pages.charts", "import mltrading.app"),
        ("dashboard.pages.charts", "from mltrading import settings"),
        ("dashboard.pages.charts", "from mltrading.observing import observe"),
        ("dashboard.pages.charts", "from mltrading.wsgi import server"),
        ("dashboard.pages.charts", "import pandas"),
        ("settings", "import dash"),
        ("files", "import pydantic"),
        ("alerting", "from mltrading.settings import Settings"),
        ("alerting", "from mltrading.domain.bars import Bars"),
        ("domain.alerting.rules", "import numpy"),
        ("domain.alerting.rules", "from mltrading.domain.bars import Bars"),
        ("domain.alerting.rules", "import yaml"),
        ("adapters.channels.slack", "import requests"),
        ("adapters.channels.slack", "from mltrading.services.ports import Channel"),
        ("adapters.channels.slack", "from mltrading.adapters.postgres import pool"),
        ("adapters.channels.slack", "from mltrading import alerting"),
        ("adapters.channels", "import yaml"),
        ("app", "from mltrading import __main__"),
        ("services.market", "print('here')"),
        ("adapters.postgres.pool", "cursor.execute(f'SELECT {column} FROM bars_1d')"),
        ("adapters.postgres.pool", "text = f'COPY {table} TO STDOUT'"),
        ("adapters.postgres.pool", "cursor.execute(f'{statement} LIMIT 1')"),
        ("adapters.postgres.pool", "cursor.execute('SELECT %s' % code)"),
        ("adapters.postgres.pool", "cursor.execute('SELECT 1 WHERE code = ' + code)"),
        ("adapters.postgres.pool", "cursor.execute('SELECT {}'.format(code))"),
        ("domain.bars", "x = 1\n" * MAX_MODULE_LINES),
        ("domain.bars", "def long():\n" + "    x = 1\n" * MAX_FUNCTION_LINES),
        ("helpers", "x = 1"),
    ],
)
def test_planted_violation_is_found(module: str, source: str) -> None:
    assert violations(f"mltrading.{module}", source)


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "domain.indicators",
            "import numpy as np, talib\nfrom mltrading.errors import InvalidView",
        ),
        ("services.market", "from . import ports\nfrom mltrading.domain.bars import Bars"),
        ("adapters.postgres.pool", "from mltrading.services.ports import Latest"),
        ("adapters.postgres.pool", "from mltrading.services import ports"),
        ("adapters.postgres.pool", "sql.SQL('SELECT {} FROM x').format(sql.Identifier(name))"),
        ("adapters.postgres.pool", "cursor.execute('SELECT 1 ' 'WHERE code = %s', (code,))"),
        ("adapters.postgres.pool", "raise ImportFailed(f'{path}: no such file')"),
        ("adapters.postgres.pool", "import socket"),
        ("adapters.channels.slack", "import smtplib, http.client"),
        ("adapters.channels.slack", "from mltrading.adapters.channels.http import Poster"),
        ("adapters.channels.slack", "from mltrading.utils.message import Message"),
        ("alerting", "import yaml\nfrom mltrading.files import compose"),
        ("alerting", "from mltrading.domain.alerting.rules import Rule"),
        ("dashboard.pages.charts", "from dash import Dash, Input, dcc, html"),
        ("app", "from mltrading.adapters.postgres import pool\nfrom mltrading import settings"),
        ("wsgi", "from mltrading.app import create"),
        ("__main__", "print('done')"),
        ("utils.clock", "from mltrading import __version__"),
    ],
)
def test_what_the_house_allows_passes(module: str, source: str) -> None:
    assert violations(f"mltrading.{module}", source) == []


def test_relative_import_in_a_package_counts_from_the_package() -> None:
    source = "from .postgres import pool"
    assert violations("mltrading.adapters", source, is_package=True) == []
    assert violations("mltrading.services", "from ..adapters import x", is_package=True) != []


@pytest.mark.parametrize(
    "source",
    [
        "import pandas",
        "from mltrading.settings import ROOT",
        "from mltrading.adapters.postgres import migrate",
        "from mltrading import app",
        "import_module(name)",
    ],
)
def test_planted_violation_of_a_delivery_module_is_found(source: str) -> None:
    assert delivery_violations("delivery.promote", source)


DELIVERY = sorted((SOURCES.parent / "delivery").glob("*.py"))


@pytest.mark.smoke
@pytest.mark.parametrize("path", DELIVERY, ids=lambda path: path.stem)
def test_delivery_imports_what_its_jobs_install(path: Path) -> None:
    found = delivery_violations(f"delivery.{path.stem}", path.read_text(encoding="utf-8"))
    assert not found, "\n".join(found)


def test_readme_names_every_setting() -> None:
    readme = (SOURCES.parent / "README.md").read_text(encoding="utf-8")
    missing = [name for name in Variables.model_fields if f"`{name.upper()}`" not in readme]
    assert missing == []


def test_operators_page_explains_every_key_of_the_file_as_it_is_read() -> None:
    """The same words that the program uses when a value is wrong, and the same default."""
    page = (SOURCES.parent / "docs" / "operator.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z_.]+)` \| (.+?) \| (.+?) \| (.+) \|$", page, re.MULTILINE)
    told = {key: (may_be, default) for key, may_be, default, does in rows if len(does) > 20}
    read = {one.name: one.shown for one in keys_of(None)} | {"environment": "must be there"}
    wanted = {}
    for key in read:
        *section, name = key.split(".")
        wanted[key] = (allowed(tuple(section))[name], read[key])
    assert told == wanted


IMPORT_EVERYTHING = """
import sys
def refuse(event, details):
    if event in ("socket.connect", "subprocess.Popen"):
        raise SystemExit(f"importing {name} caused {event} {details!r}")
sys.addaudithook(refuse)
import importlib
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


def test_importing_opens_no_connection_and_starts_no_program() -> None:
    names = [module_name(path) for path in MODULES if path.stem != "__main__"]
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_EVERYTHING, *names],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
