"""Fire Dash callbacks over their real HTTP route, without a browser.

The payload is built from `/_dash-dependencies` as the browser builds it, so that the wiring, the
JSON, pattern ids, several outputs, `PreventUpdate` and what `set_props` adds are all exercised.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import Headers
from werkzeug.test import TestResponse

Id = str | dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What one callback answered: `props[id][property]`, and what `set_props` put elsewhere.

    A pattern id is the JSON text of its dictionary with sorted keys, as Dash writes it.
    """

    status: int
    props: Mapping[str, Mapping[str, Any]]
    side: Mapping[str, Mapping[str, Any]]
    text: str
    headers: Headers

    def __getitem__(self, output: str) -> Any:
        """`answer["page.children"]`."""
        component, _, name = output.rpartition(".")
        return self.props[component][name]

    @property
    def unchanged(self) -> bool:
        """Whether the callback declined to answer (PreventUpdate, or nothing at all)."""
        return self.status == 204


class CallbackClient:
    """The callbacks of one server, asked anew or by a client that may be signed in. `headers` are
    made for each callback."""

    def __init__(
        self, server: Flask | FlaskClient, headers: Callable[[], dict[str, str]] = dict
    ) -> None:
        self.http = server if isinstance(server, FlaskClient) else server.test_client()
        self._headers = headers
        self.dependencies: list[dict[str, Any]] = self.http.get("/_dash-dependencies").get_json()
        self.server_side = [d for d in self.dependencies if d["clientside_function"] is None]

    def answering(self, output: str) -> dict[str, Any]:
        """The one server callback with that output ("id.property"), or whose whole output it is."""
        hits = [d for d in self.server_side if output in (d["output"], *split_outputs(d["output"]))]
        known = [d["output"] for d in self.server_side]
        assert len(hits) == 1, f"{len(hits)} callbacks answer {output!r}; there are {known}"
        answering: dict[str, Any] = hits[0]
        return answering

    def fire(self, output: str, triggered: str | list[str], **values: Any) -> Answer:
        """Call the callback of `output` as if `triggered` ("id.property") had changed.

        `values` are the inputs and states: key "id.property" (pass them as `**{...}`), None where
        not given. For a wildcard id the value is a list of (concrete id, value) pairs.
        """
        spec = self.answering(output)
        changed = [triggered] if isinstance(triggered, str) else triggered
        known = {_name(dep) for dep in (*spec["inputs"], *spec["state"])}
        assert set(values) <= known, f"{set(values) - known} is no input or state of {output}"
        return self.post(
            {
                "output": spec["output"],
                "outputs": _outputs(spec["output"]),
                "inputs": [_filled(dep, values) for dep in spec["inputs"]],
                "state": [_filled(dep, values) for dep in spec["state"]],
                "changedPropIds": changed,
            }
        )

    def post(self, payload: object) -> Answer:
        """Send any payload, well formed or not."""
        answer = self.http.post("/_dash-update-component", json=payload, headers=self._headers())
        return _answer(answer)


def split_outputs(output: str) -> list[str]:
    """The single outputs in Dash's text for one (`a.b`) or several (`..a.b...c.d..`)."""
    return output[2:-2].split("...") if output.startswith("..") else [output]


def component_id(text: str) -> Id:
    """The id a dependency names: a plain one, or the dictionary of a pattern."""
    return json.loads(text) if text.startswith("{") else text


def id_text(id: Id) -> str:
    """The id as Dash writes it in a property name."""
    return id if isinstance(id, str) else json.dumps(id, sort_keys=True, separators=(",", ":"))


def _name(dependency: Mapping[str, Any]) -> str:
    return f"{dependency['id']}.{dependency['property']}"


def _filled(dependency: Mapping[str, Any], values: Mapping[str, Any]) -> object:
    value = values.get(_name(dependency))
    id = component_id(dependency["id"])
    if isinstance(id, dict) and any(isinstance(part, list) for part in id.values()):
        pairs: list[tuple[Id, object]] = value or []
        return [{"id": i, "property": dependency["property"], "value": v} for i, v in pairs]
    return {"id": id, "property": dependency["property"], "value": value}


def _outputs(output: str) -> object:
    found = []
    for single in split_outputs(output):
        component, _, name = single.rpartition(".")
        found.append({"id": component_id(component), "property": name})
    return found if output.startswith("..") else found[0]


def _answer(response: TestResponse) -> Answer:
    text = response.get_data(as_text=True)
    told = response.status_code == 200 or "X-Outage" in response.headers
    body = json.loads(text) if told else {}
    return Answer(
        response.status_code,
        body.get("response", {}),
        body.get("sideUpdate", {}),
        text,
        response.headers,
    )
