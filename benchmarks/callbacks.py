"""Ask a Dash app for one output over its real route, as the browser does."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import dash


@dataclass(frozen=True)
class Answer:
    seconds: float
    body: bytes


class Caller:
    """Fires the callback behind one output of `app`; every Input not given is null."""

    def __init__(self, app: dash.Dash, output: str) -> None:
        self.client = app.server.test_client()
        listed = self.client.get("/_dash-dependencies").get_json()
        self.callback = next(c for c in listed if output in _outputs(c["output"]))

    def __call__(self, **values: Any) -> Answer:
        payload = {
            "output": self.callback["output"],
            "outputs": _described(self.callback["output"]),
            "inputs": [_filled(i, values) for i in self.callback["inputs"]],
            "state": [_filled(s, values) for s in self.callback["state"]],
            "changedPropIds": ["address.data"],
        }
        started = time.perf_counter()
        answer = self.client.post(
            "/_dash-update-component", json=payload, headers={"Accept-Encoding": "br"}
        )
        seconds = time.perf_counter() - started
        if answer.status_code != 200:
            raise RuntimeError(f"{self.callback['output']} answered {answer.status_code}")
        return Answer(seconds, answer.data)


def _outputs(text: str) -> list[str]:
    return text[2:-2].split("...") if text.startswith("..") else [text]


def _described(text: str) -> Any:
    parts = [dict(zip(("id", "property"), o.rsplit(".", 1))) for o in _outputs(text)]
    return parts if text.startswith("..") else parts[0]


def _filled(wanted: dict[str, str], values: dict[str, Any]) -> dict[str, Any]:
    return {**wanted, "value": values.get(wanted["id"])}
