"""The whole dashboard where users sign in, over a market of daily bars, for tests over HTTP."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask

from mltrading.adapters.postgres.pool import Database
from mltrading.app import create_app
from mltrading.settings import load_settings
from tests import market_data
from tests.callback_client import Answer
from tests.database_fixtures import clone, database_on, drop
from tests.identities import People
from tests.visitors import SIGN_IN, Visitor


@dataclass
class SignedApp:
    """The server, and the people of its database."""

    server: Flask
    people: People

    def visitor(self, name: str, role: str) -> Visitor:
        """A new account `name`, signed in; an administrator has a second factor, and a code."""
        self.people.add(name, role)
        found = Visitor(self.server)
        code = ""
        if role == "admin":
            self.people.clock.moment = real_now()
            code = self.people.code(self.people.enrol(name))
        answer = found.sign_in(name, code=code)
        assert answer.status_code == 303, answer.get_data(as_text=True)
        return found


def real_now() -> Any:
    from mltrading.utils.clock import SystemClock

    return SystemClock().now()


@contextmanager
def signed_app(server_url: str, template: str, **variables: str) -> Iterator[SignedApp]:
    name = f"mlt_signed_{secrets.token_hex(4)}"
    clone(server_url, template, name)
    url = database_on(server_url, name)
    market_data.load(url, minutes_of=0)
    database = Database(url)
    with pytest.MonkeyPatch.context() as patched:
        for key, value in {**SIGN_IN, **variables}.items():
            patched.setenv(key, value)
        app = create_app(load_settings(), url)
    yield SignedApp(app.server, People(database))
    database.close()
    drop(server_url, name)


def drawn(answer: Answer, parts: str) -> dict[str, str]:
    """What an act drew, each part as its texts in a row."""
    assert answer.status == 200, answer.text[:300]
    return {id: " ".join(texts(nodes)) for id, nodes in answer[f"{parts}.data"].items()}


def texts(node: Any) -> Iterator[str]:
    """Every text of some markup, in order."""
    if isinstance(node, str):
        yield node
    elif node and isinstance(node[0], str) and len(node) > 1 and isinstance(node[1], dict):
        for child in node[2:]:
            yield from texts(child)
    else:
        for child in node:
            yield from texts(child)


def acts(node: Any) -> Iterator[dict[str, str]]:
    """What every button and form of some markup would send."""
    if isinstance(node, list):
        for child in node:
            if isinstance(child, dict) and "data-act" in child:
                yield json.loads(child["data-act"])
            yield from acts(child)


def said(answer: Answer) -> str:
    """The words of the toast that came along."""
    return str(answer.side.get("toast", {}).get("children", ""))
