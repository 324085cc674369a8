"""Ask a Dash app for one output over its real route, as the browser does."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import dash
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, run_wsgi_app

PATH = "/_dash-update-component"


@dataclass(frozen=True)
class Answer:
    seconds: float
    body: bytes


class Caller:
    """Fires the callback behind one output of `app` through its test client."""

    def __init__(self, app: dash.Dash, output: str) -> None:
        self._server = app.server
        self._listed = app.server.test_client().get("/_dash-dependencies").get_json()
        self._output = output

    def __call__(self, **values: Any) -> Answer:
        body = payload(self._listed, self._output, values)
        request = EnvironBuilder(
            PATH,
            method="POST",
            json=body,
            headers=Headers({"Accept-Encoding": "br"}),
            environ_base={"REMOTE_ADDR": "127.0.0.1"},  # where nobody signs in, others are refused
        )
        environment = request.get_environ()
        started = time.perf_counter()  # the server's time alone, without the client's
        chunks, status, _ = run_wsgi_app(self._server, environment, buffered=True)
        answer = Answer(time.perf_counter() - started, b"".join(chunks))
        if not status.startswith("200"):
            raise RuntimeError(f"{self._output} answered {status}")
        return answer


def payload(listed: list[dict[str, Any]], output: str, values: dict[str, Any]) -> dict[str, Any]:
    """The request that fires the callback behind `output`, of those in /_dash-dependencies;
    `values` by component id, null for every input not given."""
    callback = next(
        c for c in listed if output in _names(c["output"]) and not c["clientside_function"]
    )
    outputs = [dict(zip(("id", "property"), o.rsplit(".", 1))) for o in _names(callback["output"])]
    return {
        "output": callback["output"],
        "outputs": outputs if callback["output"].startswith("..") else outputs[0],
        "inputs": [{**i, "value": values.get(i["id"])} for i in callback["inputs"]],
        "state": [{**s, "value": values.get(s["id"])} for s in callback["state"]],
        "changedPropIds": ["address.data"],
    }


def _names(output: str) -> list[str]:
    return output[2:-2].split("...") if output.startswith("..") else [output]
